// The density of points under mixtures of diagonal normals, without a temporary of [points, components,
// dimensions].
#pragma once

#include <cstdint>

#include "cpu/pool.h"

namespace torchvae::cpu {

// z [points, dimensions], row-major; mean and logVariance [components, dimensions], whose rows lie
// `componentRow` apart; logWeight [components], null where all weigh the same.
struct NormalMixture {
  int64_t points, components, dimensions;
  const float* z;
  const float* mean;
  const float* logVariance;
  int64_t componentRow;
  const float* logWeight;
};

// total [points] = log sum_j w_j N(z_i; mean_j, exp(logVariance_j)), and each component's part of that sum,
// shares [points, components].
void mixtureLogDensities(Pool& pool, const NormalMixture& mixture, float* total, float* shares);

// From the shares and the gradient in `total`, [points], the gradients in z, mean and logVariance, and,
// unless null, in logWeight, each of which is written where its values are in the mixture.
struct MixtureGradients {
  float* z;
  float* mean;
  float* logVariance;
  float* logWeight;
};
void mixtureLogDensitiesBackward(Pool& pool, const NormalMixture& mixture, const float* shares,
                                 const float* gradient, const MixtureGradients& to);

}  // namespace torchvae::cpu
