// What follows a dense layer's product while a tile of it is in cache.
#pragma once

#include <cstdint>

#include "spec.h"

namespace torchvae::cpu {

// Both return the bits of the largest magnitude that they leave (magnitude.h).

// y = activate(y + bias), for a tile of [rows, columns].
uint32_t finishForward(ActivationKind kind, int64_t rows, int64_t columns, const float* bias, float* y,
                       int64_t stride);

// dxT *= slope of the activation that made x, for a tile of [columns of x, rows of the batch].
uint32_t finishInputGradient(ActivationKind madeX, int64_t rows, int64_t columns, const float* xT,
                             int64_t xStride, float* dxT, int64_t stride);
// The same with x in bfloat16's bits.
uint32_t finishInputGradient(ActivationKind madeX, int64_t rows, int64_t columns, const uint16_t* xT,
                             int64_t xStride, float* dxT, int64_t stride);

}  // namespace torchvae::cpu
