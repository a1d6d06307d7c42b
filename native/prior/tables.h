// Every prior.
#pragma once

#include "prior/prior.h"

namespace torchvae {

using MakePrior = std::unique_ptr<Prior>(Weights& weights, const ModelSpec& spec, const Posterior& posterior,
                                         const PosteriorOf& posteriorOf);

// Public names and makers: adding one is a line here.
#define TORCHVAE_PRIORS(ROW)                 \
  ROW("standard-normal", makeStandardNormal) \
  ROW("mixture", makeMixture)                \
  ROW("vamp", makeVampPrior)                 \
  ROW("realnvp", makeRealNvp)                \
  ROW("categorical", makeCategoricalPrior)

#define TORCHVAE_DECLARE(name, make) MakePrior make;
TORCHVAE_PRIORS(TORCHVAE_DECLARE)
#undef TORCHVAE_DECLARE

}  // namespace torchvae
