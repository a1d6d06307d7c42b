// Batch normalization with its activation as one differentiable operation over the CPU's kernels.
#pragma once

#include "base/context.h"
#include "base/tensor.h"
#include "cpu/activation.h"
#include "ops/normed.h"

namespace torchvae {

// What a batch normalization normalizes by.
struct BatchNormSettings {
  // Whether by the mean and variance of x, which the running ones then follow; else by the running ones.
  bool isOfBatch;
  double momentum, epsilon;
  ActivationKind activation;
};

// y = activate(normalized x * weight + bias) of x [B, features] or [B, channels, height, width]; weight, bias
// and the running statistics are [features] or [channels]. Images come out with their channels innermost. The
// running variance follows the unbiased one, as PyTorch's. Differentiable once. For contexts that
// PlainOperations::served() admits.
Normed batchNorm(const Context& context, const BatchNormSettings& settings, const Tensor& x,
                 const Tensor& weight, const Tensor& bias, const Tensor& runningMean,
                 const Tensor& runningVariance);

}  // namespace torchvae
