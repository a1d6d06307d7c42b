// Densities of normals as differentiable operations.
#pragma once

#include "base/context.h"
#include "base/tensor.h"
#include "cpu/aggregate.h"

namespace torchvae {

// log N(z; 0, I) of the rows of z [B, D]: [B]. Differentiable in z, once on the CPU in float32.
Tensor standardNormalLogDensity(const Context& context, const Tensor& z);

// log q - log p, each [B], as a divergence of one group, [B, 1]. Differentiable as above.
Tensor logRatio(const Context& context, const Tensor& logQ, const Tensor& logP);

// log sum_j w_j N(z_i; mean_j, exp(logVariance_j)) of z [B, D] and components [C, D]: [B]. logWeight [C] is
// undefined where all weigh the same, 1 / C. Differentiable in all of these, once on the CPU in float32.
Tensor mixtureLogDensity(const Context& context, const Tensor& z, const Tensor& mean,
                         const Tensor& logVariance, const Tensor& logWeight);

// Of a batch's own posteriors N(mean_j, exp(logVariance_j)), each [B, D]: joint [B] = log sum_j w_ij
// q(z_i|x_j) and product [B] = sum_d log sum_j w_ij q(z_i,d|x_j). Differentiable as above.
struct AggregateDensities {
  Tensor joint, product;
};
AggregateDensities aggregateLogDensities(const Context& context, const Tensor& z, const Tensor& mean,
                                         const Tensor& logVariance, const cpu::PairWeights& logWeight);

}  // namespace torchvae
