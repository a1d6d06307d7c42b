// What a batch pays for its divergence, before the weight beta (objective/elbo.cpp has the same with
// libtorch's derivatives): the mean of KL; with free bits each dimension's mean, but at least `freeBits`;
// with a capacity C the distance |mean KL - C|.
#pragma once

#include "base/context.h"
#include "kernels/kernels.h"
#include "spec.h"

namespace torchvae::fused {

class KlCost {
 public:
  // Plain for other objectives than the ELBO.
  KlCost(const Context& context, const PartSpec& objective, int64_t latentSize);

  // From head [rows, 2 latentSize], a diagonal Gaussian's parameters.
  void evaluate(const at::Tensor& head, const KlWeight& weight, int64_t rows);

  bool isPlain() const { return price_.isPlain(); }  // the mean of KL: evaluate() then does nothing
  // How much of each dimension's divergence counts in the gradient, [latentSize]; undefined for 1.
  const at::Tensor& factors() const { return factors_; }
  // Nats an example, double [1]; undefined where it is the mean of KL.
  const at::Tensor& cost() const { return cost_; }

 private:
  Context context_;
  KlPrice price_;
  at::Tensor factors_, cost_;
};

}  // namespace torchvae::fused
