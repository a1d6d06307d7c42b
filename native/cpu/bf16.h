// Matrices in bfloat16, in the forms that libtorch's batch-reduce kernel multiplies: the left operand
// row-major, the right one with its rows in pairs (the "VNNI" form: a 32-bit word holds two rows' values of
// one column). Sums are taken in float32.
#pragma once

#include <ATen/native/CPUBlas.h>
#include <c10/util/BFloat16.h>

#include <cstdint>
#include <string>

#include "cpu/vector.h"

namespace torchvae::cpu {

using Bf16 = c10::BFloat16;

// Whether products in bf16 are fast here; where not, `reason` says why.
bool hasBf16Products(std::string& reason);

// c [m, n] = a [m, k] b [k, n] for even k: a row-major, b in pairs of rows, `ldb` words a pair.
TORCHVAE_INLINE void multiplyBf16(int64_t m, int64_t n, int64_t k, const Bf16* a, int64_t lda, const Bf16* b,
                                  int64_t ldb, float* c, int64_t ldc) {
  at::native::cpublas::brgemm(m, n, k, lda, ldb, ldc, false, a, b, c, true);
}

inline int64_t even(int64_t n) {
  return n + (n & 1);
}

// A place in one of those forms; nowhere while `to` is null. The stride is between rows, or between pairs of
// rows, in bfloat16s.
struct Bf16Place {
  Bf16* to = nullptr;
  int64_t stride = 0;
};

// Where a tile [rows, columns] of a matrix goes, itself and its transpose, in either form.
struct Bf16Places {
  Bf16Place rowMajor;
  Bf16Place pairs;
  Bf16Place transposed;
  Bf16Place transposedPairs;
};

// The places of the part that begins at `row`, `column`, both even.
inline Bf16Places placesAt(const Bf16Places& places, int64_t row, int64_t column) {
  const auto at = [](const Bf16Place& place, int64_t offset) {
    return Bf16Place{place.to == nullptr ? nullptr : place.to + offset, place.stride};
  };
  return {at(places.rowMajor, row * places.rowMajor.stride + column),
          at(places.pairs, row / 2 * places.pairs.stride + 2 * column),
          at(places.transposed, column * places.transposed.stride + row),
          at(places.transposedPairs, column / 2 * places.transposedPairs.stride + 2 * row)};
}

// The same places, named for the transpose of the matrix.
inline Bf16Places ofTranspose(const Bf16Places& places) {
  return {places.transposed, places.transposedPairs, places.rowMajor, places.pairs};
}

// Rounds a tile to the nearest bfloat16s, ties to even. A row or column missing to the last pair is zeros,
// except that `rowMajor` leaves what is behind its columns as it is.
void roundTile(const float* tile, int64_t stride, int64_t rows, int64_t columns, const Bf16Places& places);

// sums[j] = the sum over `rows` rows of column j of a matrix in pairs, `stride` as above.
void sumPairedColumns(const Bf16* pairs, int64_t stride, int64_t rows, int64_t columns, float* sums);

}  // namespace torchvae::cpu
