#include "fused/likelihood/bernoulli.h"

#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/sum.h>

#include <algorithm>

#include "cpu/vector.h"
#include "fused/likelihood/rows.h"
#include "ops/kernels.h"

namespace torchvae::fused {
namespace {

// Sums in sixteen lanes the terms of the loss, max(y, 0) - x y + log(1 + exp(-|y|)). The logarithms of up to
// 64 factors are taken as one, of their product: each factor is at most 2, so the product is at most 2^64.
struct Terms {
  static constexpr int64_t kFactors = 64;
  LaneSum linear;
  LaneSum logarithms;
  float product[16];

  TORCHVAE_INLINE Terms() { std::fill_n(product, 16, 1.0f); }

  // Returns the derivative, sigmoid(y) - x.
  TORCHVAE_INLINE float add(int64_t lane, float x, float y) {
    const float e = vec::exp(y < 0 ? y : -y);
    linear.lane[lane] += (y > 0 ? y : 0.0f) - x * y;
    product[lane] *= 1.0f + e;
    return (y < 0 ? e : 1.0f) / (1.0f + e) - x;
  }

  TORCHVAE_INLINE void takeLogarithms() {
    for (int64_t k = 0; k < 16; ++k) {
      logarithms.lane[k] += vec::log(product[k]);
      product[k] = 1.0f;
    }
  }

  double total() const { return linear.total() + logarithms.total(); }
};

// -log p(x|y) of one row; stores scale times its derivative where kGradient says so.
template <bool kGradient>
TORCHVAE_VECTORIZED double rowLoss(const float* x, const float* y, int64_t columns, float scale,
                                   float* gradient) {
  Terms terms;
  const int64_t whole = columns / 16 * 16;
  for (int64_t first = 0; first < whole; first += 16 * Terms::kFactors) {
    const int64_t last = std::min(whole, first + 16 * Terms::kFactors);
    for (int64_t j = first; j < last; j += 16) {
      for (int64_t k = 0; k < 16; ++k) {
        const float slope = terms.add(k, x[j + k], y[j + k]);
        if constexpr (kGradient) gradient[j + k] = slope * scale;
      }
    }
    terms.takeLogarithms();
  }
  for (int64_t j = whole; j < columns; ++j) {
    const float slope = terms.add(j - whole, x[j], y[j]);
    if constexpr (kGradient) gradient[j] = slope * scale;
  }
  terms.takeLogarithms();
  return terms.total();
}

}  // namespace

void Bernoulli::negativeLogProb(const Context& context, const at::Tensor& x, const at::Tensor& y,
                                int64_t rows, at::Tensor& loss, Activations* gradient) const {
  if (context.tiled()) {
    const float scale = 1.0f / static_cast<float>(rows);
    forLikelihoodRows(context, x, y, rows, loss, gradient,
                      [scale](const float* xs, const float* ys, int64_t columns, float* g) {
                        return static_cast<float>(g == nullptr ? rowLoss<false>(xs, ys, columns, scale, g)
                                                               : rowLoss<true>(xs, ys, columns, scale, g));
                      });
    return;
  }
  if (context.kernels != nullptr) {
    context.kernels->bernoulli(x, y, rows, loss, gradient == nullptr ? at::Tensor() : gradient->value);
    return;
  }
  const at::Tensor xs = x.narrow(0, 0, rows);
  const at::Tensor ys = y.narrow(0, 0, rows);
  at::Tensor losses = loss.narrow(0, 0, rows);
  at::sum_out(losses, at::softplus(ys).sub_(xs.mul(ys)), {1});
  if (gradient != nullptr) gradient->value.narrow(0, 0, rows).copy_(at::sigmoid(ys).sub_(xs).div_(rows));
}

}  // namespace torchvae::fused
