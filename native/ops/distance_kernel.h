// The kernels of the maximum mean discrepancy as one differentiable operation.
#pragma once

#include "base/context.h"
#include "base/tensor.h"

namespace torchvae {

// sum over seven scales of exp(-d / c) if `isRadial`, else of c / (d + c), with c = 2 `size` scale, as the
// authors of the Wasserstein autoencoder sum them; of squared distances d, elementwise. Differentiable once
// on the CPU in float32.
Tensor sumOfKernels(const Context& context, const Tensor& distances, int64_t size, bool isRadial);

}  // namespace torchvae
