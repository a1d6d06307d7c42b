// What multiplies the float32 matrices of dense layers on the CPU. The choice is a function of the processor
// alone, never of a measurement: the same machine gives the same bits in every process.
#pragma once

#include <cstdint>
#include <string>

#include "base/context.h"

namespace torchvae::cpu {

// Panels where the processor has AVX-512 or AVX2, else the library. TORCHVAE_GEMM (panels,
// tiles, library) decides instead; another value of it, or one that this processor does not have, throws
// ERR_RANGE.
DenseBackend chooseBackend();

// What chooseBackend() chooses, for people; or what is wrong with TORCHVAE_GEMM.
std::string describeBackend();

// c [m, n] = a [m, k] b [k, n], of a tile: each row-major with its own row stride. By our own kernels with
// panels, by oneDNN's otherwise.
void multiply(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb,
              float* c, int64_t ldc);

}  // namespace torchvae::cpu
