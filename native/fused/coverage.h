// Which models the fused kernels cover: the one place that says no.
#pragma once

#include <string>

#include "base/context.h"
#include "spec.h"

namespace torchvae::fused {

// Why a model of this `spec` has no fused kernels where the context computes; empty where it has.
std::string obstacle(const Context& context, const ModelSpec& spec);

// Why a model that has them does not run on the perceptron's kernels (fused/perceptron.h), in training
// batches of `rows` examples; empty where it does. It then runs on libtorch's products with kernels between
// them.
std::string perceptronObstacle(const Context& context, const ModelSpec& spec, int64_t rows);

}  // namespace torchvae::fused
