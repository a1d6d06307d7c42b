// q(z|x): what the encoder's output says of z, and its divergence from the prior p(z) = N(0, I).
#pragma once

#include <memory>
#include <string>

#include "context.h"
#include "ops/activation.h"
#include "ops/kernels.h"

namespace torchvae::fused {

class Posterior {
 public:
  virtual ~Posterior() = default;

  // z = rsample(head, noise) and kl[i] = KL(q(z|x_i) || p(z)) in nats. head [rows, 2 latentSize] holds the
  // means, then the log-variances; noise and z are [rows, latentSize].
  virtual void sample(const Context& context, const at::Tensor& head, const at::Tensor& noise, int64_t rows,
                      Activations& z, at::Tensor& kl) const = 0;

  // From dz, the gradient of the mean reconstruction loss, the gradient of mean(reconstruction + beta kl) in
  // `head`.
  virtual void backward(const Context& context, const at::Tensor& head, const at::Tensor& noise,
                        const at::Tensor& dz, const KlWeight& beta, int64_t rows,
                        Activations& headGradient) const = 0;
};

// Throws ERR_SPEC for a pair of names that the table does not hold.
std::unique_ptr<Posterior> makePosterior(const std::string& posterior, const std::string& prior);

}  // namespace torchvae::fused
