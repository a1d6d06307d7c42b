// q(z|x): what the encoder's output says of z, and its divergence from the prior p(z) = N(0, I).
#pragma once

#include <memory>
#include <string>

#include "base/context.h"
#include "fused/activations.h"
#include "kernels/kernels.h"

namespace torchvae::fused {

// What backward() goes on from.
struct CodeGradients {
  const at::Tensor& z;  // of the mean reconstruction loss; may have more columns than z
  KlWeight beta;
  const at::Tensor& factors;  // [latentSize]: of each dimension's KL; undefined for 1
  // Those of further terms in z, the means and the log-variances, [rows, 3 latentSize]; undefined for none,
  // as it is without the CPU's kernels.
  const at::Tensor& others;
};

class Posterior {
 public:
  virtual ~Posterior() = default;

  // z = rsample(head, noise) and kl[i] = KL(q(z|x_i) || p(z)) in nats. head [rows, 2 latentSize] holds the
  // means, then the log-variances; noise is [rows, latentSize], and so are the first columns of z.
  virtual void sample(const Context& context, const at::Tensor& head, const at::Tensor& noise, int64_t rows,
                      Activations& z, at::Tensor& kl) const = 0;

  // The gradient in `head` of mean(reconstruction + beta factors kl) and of further terms.
  virtual void backward(const Context& context, const at::Tensor& head, const at::Tensor& noise,
                        const CodeGradients& given, int64_t rows, Activations& headGradient) const = 0;
};

// Whether the table holds this pair of names.
bool hasKernels(const std::string& posterior, const std::string& prior);
// Throws ERR_SPEC for a pair of names that the table does not hold.
std::unique_ptr<Posterior> makePosterior(const std::string& posterior, const std::string& prior);

}  // namespace torchvae::fused
