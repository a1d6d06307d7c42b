// The Gaussian likelihood of fixed standard deviation sigma, with mean m = y or m = sigmoid(y):
//   -log p(x|y) = sum over dimensions of (x - m)^2 / (2 sigma^2) + log(sigma sqrt(2 pi)).
// The squared error is its exponent for sigma^2 = 1/2.
#pragma once

#include "fused/likelihood/likelihood.h"

namespace torchvae::fused {

class Gaussian : public Likelihood {
 public:
  // `normalizer` is log(sigma sqrt(2 pi)), or 0 for the exponent alone.
  Gaussian(double sigma, double normalizer, bool sigmoid)
      : precision_(1 / (sigma * sigma)), normalizer_(normalizer), sigmoid_(sigmoid) {}
  void negativeLogProb(const Context& context, const at::Tensor& x, const at::Tensor& y, int64_t rows,
                       at::Tensor& loss, Activations* gradient) const override;

 private:
  double precision_;
  double normalizer_;
  bool sigmoid_;
};

}  // namespace torchvae::fused
