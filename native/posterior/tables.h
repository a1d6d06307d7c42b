// The makers that the table of posteriors lists.
#pragma once

#include "posterior/posterior.h"

namespace torchvae {

std::unique_ptr<Posterior> makeGaussianPosterior(Weights& weights, const ModelSpec& spec, int64_t features);
std::unique_ptr<Posterior> makeSamplingNetwork(Weights& weights, const ModelSpec& spec, int64_t features);
std::unique_ptr<Posterior> makeInverseAutoregressiveFlow(Weights& weights, const ModelSpec& spec,
                                                         int64_t features);
std::unique_ptr<Posterior> makeBernoulliMixed(Weights& weights, const ModelSpec& spec, int64_t features);
std::unique_ptr<Posterior> makeUniformNoise(Weights& weights, const ModelSpec& spec, int64_t features);
std::unique_ptr<Posterior> makeGumbelSoftmax(Weights& weights, const ModelSpec& spec, int64_t features);
std::unique_ptr<Posterior> makeVectorQuantized(Weights& weights, const ModelSpec& spec, int64_t features);
std::unique_ptr<Posterior> makeDeterministic(Weights& weights, const ModelSpec& spec, int64_t features);

}  // namespace torchvae
