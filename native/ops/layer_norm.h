// Layer normalization with its activation as one differentiable operation over the CPU's kernels.
#pragma once

#include "base/context.h"
#include "base/tensor.h"
#include "cpu/activation.h"
#include "ops/normed.h"

namespace torchvae {

struct LayerNormSettings {
  double epsilon;
  ActivationKind activation;
};

// y = activate(normalized x * weight + bias) of x [B, features] or [B, channels, height, width], normalized
// over the features or, at each pixel, over the channels; weight and bias are [features] or [channels].
// Images come out with their channels innermost. Differentiable once. For contexts that
// PlainOperations::served() admits.
Normed layerNorm(const Context& context, const LayerNormSettings& settings, const Tensor& x,
                 const Tensor& weight, const Tensor& bias);

}  // namespace torchvae
