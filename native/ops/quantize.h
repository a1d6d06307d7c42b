// Vectors replaced by entries of a codebook as one differentiable operation.
#pragma once

#include "base/context.h"
#include "base/tensor.h"

namespace torchvae {

struct Quantized {
  Tensor z;  // [B, P S]: the entries
  Tensor
      penalty;  // [B]: `commitment` times the sum of squared differences of an example's vectors and entries
};

// Of P vectors an example, [B, P S], and the entries [codes, S] that `nearest` [B P] chooses for them.
// Gradients in z pass straight through to the vectors (van den Oord et al. 2017); the entries are constants.
// Differentiable once on the CPU in float32.
Quantized quantize(const Context& context, const Tensor& vectors, const Tensor& entries,
                   const Tensor& nearest, double commitment);

}  // namespace torchvae
