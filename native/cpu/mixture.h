// The density of points under mixtures of diagonal normals, without a temporary of [points, components,
// dimensions].
#pragma once

#include <cstdint>

#include "cpu/pool.h"

namespace torchvae::cpu {

// Row-major: z [points, dimensions]; mean and logVariance [components, dimensions].
struct NormalMixture {
  int64_t points, components, dimensions;
  const float* z;
  const float* mean;
  const float* logVariance;
};

// each [points, components] = log N(z_i; mean_j, exp(logVariance_j)).
void normalLogDensities(Pool& pool, const NormalMixture& mixture, float* each);

// From the gradient in `each`, the gradients in z, mean and logVariance, each of which is written.
struct NormalGradients {
  float* z;
  float* mean;
  float* logVariance;
};
void normalLogDensitiesBackward(Pool& pool, const NormalMixture& mixture, const float* gradient,
                                const NormalGradients& to);

}  // namespace torchvae::cpu
