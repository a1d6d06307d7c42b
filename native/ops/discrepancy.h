// The maximum mean discrepancy between two samples as a differentiable operation.
#pragma once

#include "base/context.h"
#include "base/tensor.h"

namespace torchvae {

// The unbiased estimate between a and b, each [n, D] with n >= 2, for sums of seven inverse multiquadratics
// (Tolstikhin et al. 2018), or of radial kernels: without dimensions. Differentiable in both, once on the CPU
// in float32.
Tensor discrepancy(const Context& context, bool isRadial, const Tensor& a, const Tensor& b);

}  // namespace torchvae
