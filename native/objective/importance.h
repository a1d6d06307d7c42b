// Importance weights: k draws of z for each x.
#pragma once

#include "objective/objective.h"

namespace torchvae {

struct Importance {
  Tensor reconstruction, logQ, logPrior;  // -log p(x|z), log q(z|x) and log p(z) of the B k draws, [B k]
  Latent latent;                          // of the B k draws
  int64_t draws = 0;                      // k

  // log p(x, z) - log q(z|x), [B, k].
  Tensor logWeight() const { return (logPrior - logQ - reconstruction).view({-1, draws}); }
};

// `stopsDensity` leaves q's own parameters out of the derivative of log q(z|x) (for Gaussian q).
Importance importanceWeights(const Vae& vae, const Tensor& x, int64_t k, bool stopsDensity, Pass& pass);

}  // namespace torchvae
