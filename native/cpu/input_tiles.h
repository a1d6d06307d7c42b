// A layer's input x [rows, in] as its weights' gradient x^T dy multiplies by it: tiles of six columns, whose
// values lie below each other, row by row. In x they would be as far apart as its rows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "cpu/product.h"

namespace torchvae::cpu {

struct InputTiles {
  static constexpr int64_t kColumns = 6;

  static int64_t count(int64_t in) { return (in + kColumns - 1) / kColumns; }

  // The rows of x that a tile holds, in order: `at` is null for all of them.
  Steps rowsOf(int64_t tile) const {
    return rowLists == nullptr ? Steps{nullptr, capacity}
                               : Steps{rowLists + tile * capacity, rowCounts[tile]};
  }
  // [rows, 6], with zeros in the place of columns that x does not have.
  const float* of(int64_t tile) const { return values + tile * capacity * kColumns; }

  const float* values = nullptr;  // [tiles, capacity, 6]
  int64_t capacity = 0;
  const int32_t* rowLists = nullptr;   // [tiles, capacity]; null where all tiles hold all rows
  const int32_t* rowCounts = nullptr;  // [tiles]
};

// Copies the columns of one tile from a row of x.
inline void copyTileRow(const float* row, int64_t in, int64_t tile, float* to) {
  constexpr int64_t kColumns = InputTiles::kColumns;
  const int64_t column = tile * kColumns;
  if (column + kColumns <= in) {
    std::memcpy(to, row + column, kColumns * sizeof(float));  // in registers
  } else {
    std::fill(std::copy(row + column, row + in, to), to + kColumns, 0.0f);
  }
}

// Copies some tiles, of all rows, to values [tiles, rows, 6].
inline void copyTiles(const float* x, int64_t rows, int64_t in, int64_t first, int64_t last, float* values) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t tile = first; tile < last; ++tile) {
      copyTileRow(x + row * in, in, tile, values + (tile * rows + row) * InputTiles::kColumns);
    }
  }
}

}  // namespace torchvae::cpu
