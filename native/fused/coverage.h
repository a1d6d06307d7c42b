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

// Why one that does is not trained by one block (fused/block.h); empty where it is. A function of shapes and
// of the device's kind, so that a run and its resumption, a model alone and one among many take the same way.
std::string blockObstacle(const Context& context, const ModelSpec& spec, int64_t rows);

// Whether the user asks for the library's products of every layer, for comparison.
bool asksForLayers();
// Whether the user asks for a perceptron's step in strips of rows, for comparison.
bool asksForStrips();
// Whether the user asks for training without captured graphs.
bool asksForLoop();

}  // namespace torchvae::fused
