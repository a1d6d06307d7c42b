// Sums over examples and means over a batch, with few nodes for a loss's derivatives to go through.
#pragma once

#include <vector>

#include "base/context.h"
#include "base/tensor.h"

namespace torchvae {

// What is averaged over a batch of B examples.
struct Averaged {
  Tensor values;  // [B], or [B, n] of which an example's values are added
  Tensor weight;  // a constant without dimensions; undefined for 1
};

// The sum of these means, each times its weight, without dimensions. Differentiable in the values, once on
// the CPU in float32.
Tensor sumOfMeans(const Context& context, const std::vector<Averaged>& terms);

// Each example's sum of values [B, n]: [B], without derivatives.
Tensor exampleSums(const Context& context, const Tensor& values);

}  // namespace torchvae
