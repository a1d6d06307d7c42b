// Every posterior.
#pragma once

#include "posterior/posterior.h"

namespace torchvae {

using MakePosterior = std::unique_ptr<Posterior>(Weights& weights, const ModelSpec& spec, int64_t features);

// Public names and makers: adding one is a line here.
#define TORCHVAE_POSTERIORS(ROW)               \
  ROW("gaussian", makeGaussianPosterior)       \
  ROW("sampling-network", makeSamplingNetwork) \
  ROW("iaf", makeInverseAutoregressiveFlow)    \
  ROW("bernoulli-mixed", makeBernoulliMixed)   \
  ROW("uniform-noise", makeUniformNoise)       \
  ROW("gumbel-softmax", makeGumbelSoftmax)     \
  ROW("vector-quantized", makeVectorQuantized) \
  ROW("deterministic", makeDeterministic)

#define TORCHVAE_DECLARE(name, make) MakePosterior make;
TORCHVAE_POSTERIORS(TORCHVAE_DECLARE)
#undef TORCHVAE_DECLARE

}  // namespace torchvae
