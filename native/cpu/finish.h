// What follows a dense layer's product while a tile of it is in cache.
#pragma once

#include <cstdint>

#include "spec.h"

namespace torchvae::cpu {

// Both return the bits of the largest magnitude that they leave (magnitude.h).

// y = activate(y + bias), for a tile of [rows, columns]. The activation's slope goes to `slope`, laid out as
// y, unless that is null.
uint32_t finishForward(ActivationKind kind, int64_t rows, int64_t columns, const float* bias, float* y,
                       float* slope, int64_t stride);

// dxT *= slope of the activation that made x, for a tile of [columns of x, rows of the batch]; `keptT` is
// what was kept of that activation: x, or its slope.
uint32_t finishInputGradient(ActivationKind madeX, int64_t rows, int64_t columns, const float* keptT,
                             int64_t keptStride, float* dxT, int64_t stride);
// The same with bfloat16's bits of x.
uint32_t finishInputGradient(ActivationKind madeX, int64_t rows, int64_t columns, const uint16_t* keptT,
                             int64_t keptStride, float* dxT, int64_t stride);

}  // namespace torchvae::cpu
