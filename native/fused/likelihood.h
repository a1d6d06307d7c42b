// p(x|z) over a batch: -log p with its derivatives in the decoder's output and in the weights that the
// likelihood has.
#pragma once

#include <memory>

#include "base/context.h"
#include "fused/activations.h"
#include "spec.h"
#include "store/parameters.h"

namespace torchvae::fused {

class Likelihood {
 public:
  virtual ~Likelihood() = default;

  // loss[i] = -log p(x_i | z_i) in nats, from the decoder's output y [rows, columns], with the bias that it
  // may miss, and x, whose rows may be longer. Unless `gradient` is null it becomes d (sum of loss / rows) /
  // dy.
  virtual void negativeLogProb(const Context& context, const at::Tensor& x, const Activations& y,
                               int64_t rows, at::Tensor& loss, Activations* gradient) = 0;

  // Of the likelihood's weights: writes their gradients, after negativeLogProb() with a gradient, and says
  // where they lie.
  virtual void weightGradients(const Context& /*context*/, Parameters& /*parameters*/) {}
  virtual FlatRange parameterRange() const { return {}; }
};

// Whether the table holds this likelihood, with these settings, for where the context computes.
bool hasKernel(const Context& context, const PartSpec& spec);

// Values that the decoder must give for each value of x.
int64_t parametersPerValue(const PartSpec& spec);

// Of those that the table holds; they throw ERR_SPEC for others.
void declareLikelihood(Parameters& parameters, const ModelSpec& spec);
// For batches of up to `capacity` examples.
std::unique_ptr<Likelihood> makeLikelihood(const Context& context, const Parameters& parameters,
                                           const ModelSpec& spec, int64_t capacity);

}  // namespace torchvae::fused
