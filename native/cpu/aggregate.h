// The aggregate posterior q(z) of a batch and the product of its marginals, estimated from the batch's own
// posteriors, without a temporary of [rows, rows, dimensions].
#pragma once

#include <cstdint>

#include "cpu/pool.h"

namespace torchvae::cpu {

// Row-major: z, mean and logVariance [rows, dimensions] of the batch; logWeight [rows, rows] of example j in
// the estimate at z_i, null for 0.
struct BatchPosteriors {
  int64_t rows, dimensions;
  const float* z;
  const float* mean;
  const float* logVariance;
  const float* logWeight;
};

// joint [rows] = log sum_j w_ij q(z_i|x_j); marginals [rows, dimensions] = log sum_j w_ij q(z_i,d|x_j).
void aggregateLogDensities(Pool& pool, const BatchPosteriors& batch, float* joint, float* marginals);

// From these and the gradients in joint [rows] and marginals [rows, dimensions], the gradients in z, mean and
// logVariance, each of which is written.
struct AggregateGradients {
  const float* joint;
  const float* marginals;
};
void aggregateLogDensitiesBackward(Pool& pool, const BatchPosteriors& batch, const float* joint,
                                   const float* marginals, const AggregateGradients& gradients, float* dz,
                                   float* dmean, float* dlogVariance);

}  // namespace torchvae::cpu
