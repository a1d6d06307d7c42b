// Elementwise likelihoods as one differentiable operation over the CPU's kernels.
#pragma once

#include "base/context.h"
#include "base/tensor.h"
#include "cpu/likelihood.h"

namespace torchvae {

// -log p(x|y) of each row of x and y [B, columns]: [B]. Differentiable in y, once. For contexts that
// PlainOperations::served() admits.
Tensor rowLosses(const Context& context, LikelihoodKind kind, const cpu::LikelihoodTerms& terms,
                 const Tensor& x, const Tensor& y);

}  // namespace torchvae
