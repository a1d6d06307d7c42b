// A draw from a diagonal normal distribution with its divergence from N(0, I) and its density, and back.
#pragma once

#include <cstdint>

#include "cpu/pool.h"

namespace torchvae::cpu {

// Row-major: head, `headRow` values a row of which the first 2 latent are means and then log-variances; noise
// [rows draws, latent].
struct GaussianHead {
  int64_t rows, draws, latent;
  const float* head;
  int64_t headRow;
  const float* noise;
};

// Of each row as many draws: z [rows draws, latent] = mean + exp(logVariance / 2) noise, logQ [rows draws] =
// log N(z; mean, variance); and divergence [rows, latent] = KL(N(mean, variance) || N(0, 1)).
void drawGaussian(Pool& pool, const GaussianHead& q, float* z, float* divergence, float* logQ);

// The gradients in what a draw gave; null for zeros.
struct GaussianGradients {
  const float* z;
  const float* divergence;
  const float* logQ;
};
// The gradient in the head, of as long rows, whose first 2 latent values are written.
void drawGaussianBackward(Pool& pool, const GaussianHead& q, const GaussianGradients& gradients, float* to);

// logDensity [rows] = log N(z; 0, I) of z [rows, latent].
void standardNormalLogDensity(const float* z, int64_t rows, int64_t latent, float* logDensity);
// From the gradient in it, that in z.
void standardNormalLogDensityBackward(const float* z, const float* gradient, int64_t rows, int64_t latent,
                                      float* dz);

}  // namespace torchvae::cpu
