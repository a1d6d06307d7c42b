#pragma once

#include <cstdint>

namespace torchvae {

// to[j * toStride + i] = from[i * fromStride + j] for i < rows, j < columns.
void transpose(const float* from, int64_t fromStride, int64_t rows, int64_t columns, float* to,
               int64_t toStride);

}  // namespace torchvae
