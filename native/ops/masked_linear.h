// A linear layer some of whose weights are held at zero, as one differentiable operation.
#pragma once

#include "base/context.h"
#include "base/tensor.h"

namespace torchvae {

// y = x (W mask)^T + b, [B, out], of x [B, in], W [out, in] and b [out]; mask [out, in] holds ones and zeros.
// Differentiable in x, W and b, once on the CPU in float32.
Tensor maskedLinear(const Context& context, const Tensor& x, const Tensor& weight, const Tensor& mask,
                    const Tensor& bias);

}  // namespace torchvae
