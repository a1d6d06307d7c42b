// How an elementwise likelihood runs over a batch on the CPU: sixteen rows a tile, so that a column of a tile
// fills one cache line of the transposed gradient.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>

#include "context.h"
#include "cpu/lane_sum.h"
#include "ops/activation.h"

namespace torchvae::fused {

// For each row, loss = rowLoss(x row, y row, columns, gradient row or null); the gradient's other
// forms follow.
template <class RowLoss>
void forLikelihoodRows(const Context& context, const at::Tensor& x, const at::Tensor& y, int64_t rows,
                       at::Tensor& loss, Activations* gradient, const RowLoss& rowLoss) {
  constexpr int64_t kTileRows = 16;
  const int64_t columns = y.size(1);
  const float* xs = x.data_ptr<float>();
  const float* ys = y.data_ptr<float>();
  float* losses = loss.data_ptr<float>();
  float* g = gradient == nullptr ? nullptr : gradient->value.data_ptr<float>();
  if (gradient != nullptr) gradient->magnitude.reset();
  context.pool->run((rows + kTileRows - 1) / kTileRows, [&](int64_t tile) {
    const int64_t first = tile * kTileRows;
    const int64_t last = std::min(rows, first + kTileRows);
    for (int64_t i = first; i < last; ++i) {
      losses[i] =
          rowLoss(xs + i * columns, ys + i * columns, columns, g == nullptr ? nullptr : g + i * columns);
    }
    if (gradient == nullptr) return;
    gradient->finishRows(first, last);
    gradient->magnitude.include(largestMagnitudeBits(g + first * columns, last - first, columns, columns));
  });
}

}  // namespace torchvae::fused
