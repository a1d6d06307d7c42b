// Features as images and back, as differentiable operations: features have an image's channels one after the
// other, as PyTorch has them; the CPU's kernels take images with their channels innermost.
#pragma once

#include "base/context.h"
#include "base/tensor.h"

namespace torchvae {

// [B, C H W] as [B, C, H, W]. Differentiable once on the CPU in float32.
Tensor imagesOf(const Context& context, const Tensor& features, int64_t channels, int64_t height,
                int64_t width);
// [B, C, H, W] as [B, C H W]. Differentiable as above.
Tensor featuresOf(const Context& context, const Tensor& images);

}  // namespace torchvae
