// The gated step of an inverse autoregressive flow as one differentiable operation.
#pragma once

#include "base/context.h"
#include "base/tensor.h"

namespace torchvae {

struct Gated {
  Tensor z;         // [B, D]: s z + (1 - s) shift with s = sigmoid(gate + 2)
  Tensor logSlope;  // [B]: the sum of log s
};

// Of z [B, D] and parts [B, 2 D], shifts and then gates (Kingma et al. 2016, eq. 10 and 14). Differentiable
// in both, once on the CPU in float32.
Gated gate(const Context& context, const Tensor& z, const Tensor& parts);

}  // namespace torchvae
