// Dropout (Srivastava et al. 2014) as one differentiable operation.
#pragma once

#include "base/context.h"
#include "base/tensor.h"
#include "random/philox.h"

namespace torchvae {

// Of x, contiguous, each value 0 with probability p, else divided by 1 - p: value i is kept where number
// `first` + i of the draw, away from 0 and 1, is at least p. On the CPU in float32; differentiable once.
Tensor dropout(const Context& context, const Tensor& x, double p, const Draw& draw, int64_t first);

}  // namespace torchvae
