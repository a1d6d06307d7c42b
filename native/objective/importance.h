// Importance weights: k draws of z for each x.
#pragma once

#include "objective/objective.h"

namespace torchvae {

struct Importance {
  Tensor logWeight;             // log p(x, z) - log q(z|x), [B, k]
  Tensor reconstruction, rate;  // -log p(x|z) and log q - log p, [B, k]
  Latent latent;                // of the B k draws
};

// `stopsDensity` leaves q's own parameters out of the derivative of log q(z|x) (for Gaussian q).
Importance importanceWeights(const Vae& vae, const Tensor& x, int64_t k, bool stopsDensity, Pass& pass);

// The bound log (1/k) sum of weights, [B].
Tensor importanceBound(const Tensor& logWeight);

}  // namespace torchvae
