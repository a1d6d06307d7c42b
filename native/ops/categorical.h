// Categorical likelihoods as one differentiable operation over the CPU's kernels.
#pragma once

#include "base/context.h"
#include "base/tensor.h"

namespace torchvae {

// -log p of the classes round(x * scale), x [B, places], by logits y [B, classes * places], all places of a
// class one after the other: [B]. Differentiable in y, once on the CPU in float32. Throws for values of x
// that name no class.
Tensor categoricalLosses(const Context& context, const Tensor& x, double scale, const Tensor& y);

}  // namespace torchvae
