// A draw from a diagonal normal distribution as one differentiable operation.
#pragma once

#include "base/context.h"
#include "base/tensor.h"

namespace torchvae {

struct GaussianDraw {
  Tensor z;           // [B k, D]: mean + exp(logVariance / 2) noise
  Tensor divergence;  // [B, D]: KL(N(mean, exp(logVariance)) || N(0, 1))
  Tensor logQ;        // [B k]: log N(z; mean, exp(logVariance))
};

// Of head [B, 2 D], means and then log-variances, k draws by noise [B k, D], those of a row one after the
// other. Differentiable in the head, once on the CPU in float32.
GaussianDraw drawGaussian(const Context& context, const Tensor& head, const Tensor& noise);

}  // namespace torchvae
