#include "likelihood/bernoulli.h"

#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/sum.h>

#include "cpu/vector.h"
#include "likelihood/rows.h"

namespace torchvae {
namespace {

TORCHVAE_INLINE float element(float x, float y, float& slope) {
  const float e = vec::exp(y < 0 ? y : -y);
  slope = (y < 0 ? e : 1.0f) / (1.0f + e) - x;
  return (y > 0 ? y : 0.0f) - x * y + vec::log1p(e);
}

TORCHVAE_VECTORISED double rowLoss(const float* x, const float* y, int64_t columns) {
  LaneSum sum;
  const int64_t whole = columns / 16 * 16;
  float slope;
  for (int64_t j = 0; j < whole; j += 16) {
    for (int64_t k = 0; k < 16; ++k) sum.lane[k] += element(x[j + k], y[j + k], slope);
  }
  for (int64_t j = whole; j < columns; ++j) sum.lane[j - whole] += element(x[j], y[j], slope);
  return sum.total();
}

TORCHVAE_VECTORISED double rowLossAndGradient(const float* x, const float* y, int64_t columns, float scale,
                                              float* gradient) {
  LaneSum sum;
  const int64_t whole = columns / 16 * 16;
  for (int64_t j = 0; j < whole; j += 16) {
    for (int64_t k = 0; k < 16; ++k) {
      float slope;
      sum.lane[k] += element(x[j + k], y[j + k], slope);
      gradient[j + k] = slope * scale;
    }
  }
  for (int64_t j = whole; j < columns; ++j) {
    float slope;
    sum.lane[j - whole] += element(x[j], y[j], slope);
    gradient[j] = slope * scale;
  }
  return sum.total();
}

}  // namespace

void Bernoulli::negativeLogProb(const Context& context, const at::Tensor& x, const at::Tensor& y,
                                int64_t rows, at::Tensor& loss, Activations* gradient) const {
  if (context.tiled()) {
    const float scale = 1.0f / static_cast<float>(rows);
    forLikelihoodRows(context, x, y, rows, loss, gradient,
                      [scale](const float* xs, const float* ys, int64_t columns, float* g) {
                        return static_cast<float>(g == nullptr
                                                      ? rowLoss(xs, ys, columns)
                                                      : rowLossAndGradient(xs, ys, columns, scale, g));
                      });
    return;
  }
  const at::Tensor xs = x.narrow(0, 0, rows);
  const at::Tensor ys = y.narrow(0, 0, rows);
  at::Tensor losses = loss.narrow(0, 0, rows);
  at::sum_out(losses, at::softplus(ys).sub_(xs.mul(ys)), {1});
  if (gradient != nullptr) gradient->value.narrow(0, 0, rows).copy_(at::sigmoid(ys).sub_(xs).div_(rows));
}

at::Tensor Bernoulli::mean(const at::Tensor& y) const {
  return at::sigmoid(y);
}

}  // namespace torchvae
