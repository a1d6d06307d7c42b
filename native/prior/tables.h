// The makers that the table of priors lists.
#pragma once

#include "prior/prior.h"

namespace torchvae {

using MakePrior = std::unique_ptr<Prior>(Weights& weights, const ModelSpec& spec, const Posterior& posterior,
                                         const PosteriorOf& posteriorOf);

MakePrior makeStandardNormal, makeCategoricalPrior, makeMixture, makeVampPrior, makeRealNvp;

}  // namespace torchvae
