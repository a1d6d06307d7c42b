// The importance-weighted bound (Burda et al. 2016, eq. 8) as one differentiable operation.
#pragma once

#include "base/context.h"
#include "base/tensor.h"

namespace torchvae {

struct ImportanceBound {
  Tensor cost;                  // [B]: -log (1/k) sum p(x, z) / q(z|x)
  Tensor reconstruction, rate;  // [B]: means of -log p(x|z) and log q - log p(z), without derivatives
};

// Of k draws for each example, those of one after the other: -log p(x|z), log q(z|x) and log p(z), each [B
// k]. Differentiable in them, once on the CPU in float32.
ImportanceBound importanceBound(const Context& context, int64_t k, const Tensor& reconstruction,
                                const Tensor& logQ, const Tensor& logPrior);

// x [B, n] with each row k times, [B k, n], without derivatives.
Tensor repeatedRows(const Context& context, const Tensor& x, int64_t k);

}  // namespace torchvae
