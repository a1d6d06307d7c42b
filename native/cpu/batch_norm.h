// Batch normalization with the activation that follows it, in one pass over the values forward and two back.
//
// Values are [rows, channels] (channels innermost): examples of features, or the pixels of all images.
#pragma once

#include <cstdint>

#include "cpu/norm_tiles.h"
#include "spec.h"

namespace torchvae::cpu {

// The mean and the (biased) variance of each channel.
void channelMoments(Pool& pool, const NormShape& shape, const float* x, float* mean, float* variance);

// By channel: y = activate((x - mean) * inverse * weight + bias).
struct Normalization {
  const float *mean, *inverse, *weight, *bias;
  ActivationKind activation;
};

// The activation's slope goes to `slope` unless null, for activations whose slope is not a function of y.
void normalize(Pool& pool, const NormShape& shape, const Normalization& n, const float* x, float* y,
               float* slope);

// `kept` is y, or the slope; `isOfBatch` says that mean and inverse are functions of x, as channelMoments()
// gives them. `beside` [rows, channels] is added to the gradient in x, unless it is null.
void normalizeBackward(Pool& pool, const NormShape& shape, const Normalization& n, bool isOfBatch,
                       const float* x, const float* kept, const float* dy, const float* beside,
                       const NormGradients& gradients);

}  // namespace torchvae::cpu
