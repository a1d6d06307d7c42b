#include "fused/likelihood/gaussian.h"

#include <ATen/ops/sum.h>

#include "cpu/vector.h"
#include "fused/likelihood/rows.h"
#include "ops/kernels.h"

namespace torchvae::fused {
namespace {

// The squared error of one row; stores scale times half its derivative unless `gradient` is null.
template <bool kSigmoid>
TORCHVAE_VECTORIZED double squaredError(const float* x, const float* y, int64_t columns, float scale,
                                        float* gradient) {
  LaneSum sum;
  const int64_t whole = columns / 16 * 16;
  for (int64_t j = 0; j < columns; j += 16) {
    const int64_t lanes = j < whole ? 16 : columns - whole;
    for (int64_t k = 0; k < lanes; ++k) {
      const float mean = kSigmoid ? vec::sigmoid(y[j + k]) : y[j + k];
      const float difference = mean - x[j + k];
      const float slope = kSigmoid ? mean * (1.0f - mean) : 1.0f;
      sum.lane[k] += difference * difference;
      if (gradient != nullptr) gradient[j + k] = difference * slope * scale;
    }
  }
  return sum.total();
}

}  // namespace

void Gaussian::negativeLogProb(const Context& context, const at::Tensor& x, const at::Tensor& y, int64_t rows,
                               at::Tensor& loss, Activations* gradient) const {
  const double constant = static_cast<double>(y.size(1)) * normalizer_;
  if (context.kernels != nullptr) {
    context.kernels->gaussian({precision_, constant, sigmoid_}, x, y, rows, loss,
                              gradient == nullptr ? at::Tensor() : gradient->value);
    return;
  }
  if (context.tiled()) {
    const auto scale = static_cast<float>(precision_ / static_cast<double>(rows));
    const auto squared = sigmoid_ ? squaredError<true> : squaredError<false>;
    forLikelihoodRows(
        context, x, y, rows, loss, gradient,
        [=, half = 0.5 * precision_](const float* xs, const float* ys, int64_t columns, float* g) {
          return static_cast<float>(half * squared(xs, ys, columns, scale, g) + constant);
        });
    return;
  }
  const at::Tensor mean = sigmoid_ ? y.narrow(0, 0, rows).sigmoid() : y.narrow(0, 0, rows);
  const at::Tensor difference = mean.sub(x.narrow(0, 0, rows));
  at::Tensor losses = loss.narrow(0, 0, rows);
  at::sum_out(losses, difference.square(), {1});
  losses.mul_(0.5 * precision_).add_(constant);
  if (gradient != nullptr) {
    if (sigmoid_) difference.mul_(mean).mul_(mean.neg().add_(1));
    gradient->value.narrow(0, 0, rows).copy_(difference.mul(precision_ / static_cast<double>(rows)));
  }
}

}  // namespace torchvae::fused
