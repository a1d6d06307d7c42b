// The Bernoulli likelihood for x in [0, 1], from logits y:
//   -log p(x|y) = sum over dimensions of max(y, 0) - x y + log(1 + exp(-|y|)), with derivative sigmoid(y) -
//   x.
// For x strictly between 0 and 1 this is the cross-entropy, no normalized density (Loaiza-Ganem and
// Cunningham 2019).
#pragma once

#include "fused/likelihood/likelihood.h"

namespace torchvae::fused {

class Bernoulli : public Likelihood {
 public:
  void negativeLogProb(const Context& context, const at::Tensor& x, const at::Tensor& y, int64_t rows,
                       at::Tensor& loss, Activations* gradient) const override;
};

}  // namespace torchvae::fused
