// The Gaussian likelihood of fixed standard deviation sigma, with mean y:
//   -log p(x|y) = sum over dimensions of (x - y)^2 / (2 sigma^2) + log(sigma sqrt(2 pi)).
#pragma once

#include "fused/likelihood/likelihood.h"

namespace torchvae::fused {

class Gaussian : public Likelihood {
 public:
  explicit Gaussian(double sigma) : sigma_(sigma) {}
  void negativeLogProb(const Context& context, const at::Tensor& x, const at::Tensor& y, int64_t rows,
                       at::Tensor& loss, Activations* gradient) const override;
  at::Tensor mean(const at::Tensor& y) const override { return y.clone(); }

 private:
  double sigma_;
};

}  // namespace torchvae::fused
