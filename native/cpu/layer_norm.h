// Layer normalization with the activation that follows it, in one pass over the values forward and one back.
//
// Values are [rows, channels] (channels innermost): examples of features, or the pixels of all images. Each
// row is normalized by its own mean and variance.
#pragma once

#include <cstdint>

#include "cpu/norm_tiles.h"
#include "spec.h"

namespace torchvae::cpu {

// y = activate((x - mean) * inverse * weight + bias), with inverse = 1 / sqrt(variance + epsilon).
struct LayerNormalization {
  const float *weight, *bias;  // [channels]
  float epsilon;
  ActivationKind activation;
};

// What the way back takes of a row.
struct RowMoments {
  float mean, inverse;
};

// The activation's slope goes to `slope` unless null, for activations whose slope is not a function of y;
// `moments` [rows] may be null.
void normalizeRows(Pool& pool, const NormShape& shape, const LayerNormalization& n, const float* x, float* y,
                   float* slope, RowMoments* moments);

// `kept` is y, or the slope. `beside` [rows, channels] is added to the gradient in x, unless it is null.
void normalizeRowsBackward(Pool& pool, const NormShape& shape, const LayerNormalization& n, const float* x,
                           const RowMoments* moments, const float* kept, const float* dy, const float* beside,
                           const NormGradients& gradients);

}  // namespace torchvae::cpu
