// Activations as differentiable operations.
#pragma once

#include "base/context.h"
#include "base/tensor.h"
#include "spec.h"

namespace torchvae {

// activate(x), by libtorch's operations.
Tensor activate(ActivationKind kind, const Tensor& x);
// The same by the CPU's kernels where they serve: differentiable once then.
Tensor activate(const Context& context, ActivationKind kind, const Tensor& x);

}  // namespace torchvae
