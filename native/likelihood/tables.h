// Every likelihood.
#pragma once

#include "likelihood/likelihood.h"

namespace torchvae {

using MakeLikelihood = std::unique_ptr<Likelihood>(Weights& weights, const ModelSpec& spec);

// Public names and makers: adding one is a line here.
#define TORCHVAE_LIKELIHOODS(ROW)                         \
  ROW("bernoulli", makeBernoulli)                         \
  ROW("continuous-bernoulli", makeContinuousBernoulli)    \
  ROW("gaussian", makeGaussian)                           \
  ROW("squared-error", makeSquaredError)                  \
  ROW("laplace", makeLaplace)                             \
  ROW("categorical", makeCategorical)                     \
  ROW("logistic-mixture", makeDiscretizedLogisticMixture) \
  ROW("tokens", makeTokens)

#define TORCHVAE_DECLARE(name, make) MakeLikelihood make;
TORCHVAE_LIKELIHOODS(TORCHVAE_DECLARE)
#undef TORCHVAE_DECLARE

}  // namespace torchvae
