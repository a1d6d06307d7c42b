#include "fused/likelihood/gaussian.h"

#include <ATen/ops/sum.h>

#include <numbers>

#include "cpu/vector.h"
#include "fused/likelihood/rows.h"
#include "ops/kernels.h"

namespace torchvae::fused {
namespace {

TORCHVAE_VECTORISED double squaredError(const float* x, const float* y, int64_t columns, float scale,
                                        float* gradient) {
  LaneSum sum;
  const int64_t whole = columns / 16 * 16;
  for (int64_t j = 0; j < columns; j += 16) {
    const int64_t lanes = j < whole ? 16 : columns - whole;
    for (int64_t k = 0; k < lanes; ++k) {
      const float difference = y[j + k] - x[j + k];
      sum.lane[k] += difference * difference;
      if (gradient != nullptr) gradient[j + k] = difference * scale;
    }
  }
  return sum.total();
}

}  // namespace

void Gaussian::negativeLogProb(const Context& context, const at::Tensor& x, const at::Tensor& y, int64_t rows,
                               at::Tensor& loss, Activations* gradient) const {
  if (context.kernels != nullptr) {
    context.kernels->gaussian(sigma_, x, y, rows, loss, gradient == nullptr ? at::Tensor() : gradient->value);
    return;
  }
  const double precision = 1 / (sigma_ * sigma_);
  const double constant = static_cast<double>(y.size(1)) * std::log(sigma_ * std::sqrt(2 * std::numbers::pi));
  if (context.tiled()) {
    const auto scale = static_cast<float>(precision / static_cast<double>(rows));
    forLikelihoodRows(
        context, x, y, rows, loss, gradient,
        [=](const float* xs, const float* ys, int64_t columns, float* g) {
          return static_cast<float>(0.5 * precision * squaredError(xs, ys, columns, scale, g) + constant);
        });
    return;
  }
  const at::Tensor difference = y.narrow(0, 0, rows).sub(x.narrow(0, 0, rows));
  at::Tensor losses = loss.narrow(0, 0, rows);
  at::sum_out(losses, difference.square(), {1});
  losses.mul_(0.5 * precision).add_(constant);
  if (gradient != nullptr) {
    gradient->value.narrow(0, 0, rows).copy_(difference.mul(precision / static_cast<double>(rows)));
  }
}

}  // namespace torchvae::fused
