// A draw from a diagonal normal distribution with its divergence from N(0, I) and its density, and back.
#pragma once

#include <cstdint>

#include "cpu/pool.h"

namespace torchvae::cpu {

// Row-major: head [rows, 2 latent], means and then log-variances; noise [rows, latent].
struct GaussianHead {
  int64_t rows, latent;
  const float* head;
  const float* noise;
};

// z = mean + exp(logVariance / 2) noise and divergence = KL(N(mean, variance) || N(0, 1)), each [rows,
// latent]; logQ [rows] = log N(z; mean, variance).
void drawGaussian(Pool& pool, const GaussianHead& q, float* z, float* divergence, float* logQ);

// The gradients in what a draw gave; null for zeros.
struct GaussianGradients {
  const float* z;
  const float* divergence;
  const float* logQ;
};
// The gradient in the head, which is written.
void drawGaussianBackward(Pool& pool, const GaussianHead& q, const GaussianGradients& gradients, float* to);

}  // namespace torchvae::cpu
