// Elementwise likelihoods as one differentiable operation over the CPU's kernels.
#pragma once

#include "base/context.h"
#include "base/tensor.h"
#include "cpu/likelihood.h"
#include "cpu/scaled_likelihood.h"

namespace torchvae {

// -log p(x|y) of each row of x and y [B, columns]: [B]. Differentiable in y, once. For contexts that
// PlainOperations::served() admits, as are the following.
Tensor rowLosses(const Context& context, LikelihoodKind kind, const cpu::LikelihoodTerms& terms,
                 const Tensor& x, const Tensor& y);

// The same of a likelihood with the logarithms of its scales, [columns] or [1] for all: differentiable in y
// and in these.
Tensor scaledRowLosses(const Context& context, const cpu::ScaleTerms& terms, const Tensor& x, const Tensor& y,
                       const Tensor& logScales);

// The same of one whose raw scales lie in y [B, 2 columns] (cpu::PredictedRow).
Tensor predictedRowLosses(const Context& context, const cpu::ScaleTerms& terms, const Tensor& x,
                          const Tensor& y);

}  // namespace torchvae
