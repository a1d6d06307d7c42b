// The diagonal Gaussian posterior against a standard normal prior (Kingma and Welling 2014, eq. 10 and
// appendix B):
//   z = mu + exp(logVariance / 2) noise,  KL = 1/2 sum (mu^2 + exp(logVariance) - 1 - logVariance).
#pragma once

#include "fused/posterior.h"

namespace torchvae::fused {

class DiagonalGaussian : public Posterior {
 public:
  static bool serves(const Context& /*context*/, const ModelSpec& /*spec*/) { return true; }
  static DenseSlots declare(Parameters& parameters, const ModelSpec& spec, const Features& encoded);

  DiagonalGaussian(const Context& /*context*/, const Store& /*store*/, const ModelSpec& /*spec*/,
                   int64_t /*capacity*/) {}

  void sample(const Context& context, const at::Tensor& head, const at::Tensor& noise, int64_t rows,
              Activations& z, at::Tensor& kl) override;
  void backward(const Context& context, const at::Tensor& head, const at::Tensor& noise,
                const CodeGradients& given, int64_t rows, Activations& headGradient) override;
};

}  // namespace torchvae::fused
