// Vectors of tokens as one differentiable operation over the CPU's kernels.
#pragma once

#include "base/context.h"
#include "base/tensor.h"

namespace torchvae {

// Of x [B, places], whole numbers, the rows of `vectors` [vocabulary, width] that they name: [B, places *
// width]. On the CPU in float32 it is differentiable once: `vectors` is a leaf, and the backward pass adds to
// its gradient where that lies. There it throws ERR_RANGE for a number that names no row.
Tensor embedding(const Context& context, const Tensor& x, const Tensor& vectors);

}  // namespace torchvae
