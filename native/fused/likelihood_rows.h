// The losses of a batch row by row, for likelihoods on the CPU's kernels.
#pragma once

#include <algorithm>
#include <type_traits>

#include "cpu/pool.h"
#include "fused/activations.h"

namespace torchvae::fused {

// Sixteen rows a tile, so that a column of a tile fills one cache line of the transposed gradient.
constexpr int64_t kTileRows = 16;

inline int64_t tilesOf(int64_t rows) {
  return (rows + kTileRows - 1) / kTileRows;
}

// loss[i] = ofRow(i, x_i, y_i, slopes), which stores row i of the gradient at `slopes` unless that is null,
// as it is where `gradient` is. A thread takes the rows of a tile in order. C is the type of y.
template <class C, class OfRow>
void overRows(const Context& context, const at::Tensor& x, const at::Tensor& y, int64_t rows,
              at::Tensor& loss, Activations* gradient, const OfRow& ofRow) {
  const int64_t columns = y.size(1);
  const int64_t stride = x.size(1);
  const C* xs = x.const_data_ptr<C>();
  const C* ys = y.const_data_ptr<C>();
  C* losses = loss.mutable_data_ptr<C>();
  C* slopes = gradient == nullptr ? nullptr : gradient->value.mutable_data_ptr<C>();
  if (gradient != nullptr) gradient->magnitude.reset();
  context.pool->run(tilesOf(rows), [&](int64_t tile) {
    const int64_t first = tile * kTileRows;
    const int64_t last = std::min(rows, first + kTileRows);
    for (int64_t i = first; i < last; ++i) {
      C* slope = slopes == nullptr ? nullptr : slopes + i * columns;
      losses[i] = static_cast<C>(ofRow(i, xs + i * stride, ys + i * columns, slope));
    }
    if constexpr (std::is_same_v<C, float>) {
      if (gradient == nullptr) return;
      gradient->finishRows(first, last);
      gradient->magnitude.include(
          largestMagnitudeBits(slopes + first * columns, last - first, columns, columns));
    }
  });
}

}  // namespace torchvae::fused
