// Where a layer's input is not zero, for products that leave out the rest: most pixels of a written digit are
// zero, most columns of one-hot codes, most counts of words. As long as weights and gradients are finite, a
// zero adds nothing to a sum, and these products have the bits of whole ones.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/input_tiles.h"
#include "cpu/pool.h"
#include "cpu/product.h"

namespace torchvae::cpu {

// Whether products look for zeros: unless TORCHVAE_ZEROS is "multiply".
bool skipsZeros();

class Nonzeros {
 public:
  // Rows of a tile of the forward product, which takes the same columns for all of them.
  static constexpr int64_t kRows = 6;

  // Of x [rows, columns]; `withTiles`: tiles() will be asked for too. Returns whether there are so few that
  // products by these alone are shorter; only then the rest may be called.
  bool find(Pool& pool, const float* x, int64_t rows, int64_t columns, bool withTiles);

  // The columns in which one of rows [6 group, 6 group + 6) is not zero.
  Steps columnsOf(int64_t group) const;
  // Of each tile of x, the rows in which one of its values is not zero.
  InputTiles tiles() const;

 private:
  void findColumns(int64_t group, const float* x);
  void findRows(int64_t range, const float* x);

  int64_t rows_ = 0, columns_ = 0;
  int64_t words_ = 0;                                // of a row's bits, the last of which is zero
  std::vector<uint64_t> bits_;                       // [rows, words]: a bit for each value that is not zero
  std::vector<int32_t> columnLists_, columnCounts_;  // [groups, columns], [groups]
  std::vector<int32_t> rowLists_, rowCounts_;        // [tiles, rows], [tiles]
  std::vector<float> tileValues_;                    // [tiles, rows, 6]
};

}  // namespace torchvae::cpu
