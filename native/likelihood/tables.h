// The makers that the table of likelihoods lists.
#pragma once

#include "likelihood/likelihood.h"

namespace torchvae {

using MakeLikelihood = std::unique_ptr<Likelihood>(Weights& weights, const ModelSpec& spec);

MakeLikelihood makeBernoulli, makeContinuousBernoulli, makeGaussian, makeSquaredError, makeLaplace,
    makeCategorical, makeDiscretizedLogisticMixture, makeTokens;

}  // namespace torchvae
