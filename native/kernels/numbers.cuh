// Number types, and sums over warps and blocks.
#pragma once

#include "arguments.h"

namespace torchvae::kernels {

// bfloat16 by its bits: NVRTC then needs no header of the CUDA toolkit.
struct Bf16 {
  uint16_t bits;
};

template <class T>
struct Types {
  using Compute = T;  // what arithmetic is done in, and what parameters and losses are
};
template <>
struct Types<Bf16> {
  using Compute = float;
};
template <class T>
using Compute = typename Types<T>::Compute;

__device__ inline float load(const float* p, int64_t i) {
  return p[i];
}
__device__ inline double load(const double* p, int64_t i) {
  return p[i];
}
__device__ inline float load(const Bf16* p, int64_t i) {
  return __uint_as_float(static_cast<uint32_t>(p[i].bits) << 16);
}

// Rounds to the nearest, ties to even; NaN stays NaN.
__device__ inline Bf16 toBf16(float value) {
  const uint32_t bits = __float_as_uint(value);
  if (value != value) return {static_cast<uint16_t>(bits >> 16 | 0x40)};
  return {static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
}

__device__ inline void store(float* p, int64_t i, float value) {
  p[i] = value;
}
__device__ inline void store(double* p, int64_t i, double value) {
  p[i] = value;
}
__device__ inline void store(Bf16* p, int64_t i, float value) {
  p[i] = toBf16(value);
}

__device__ inline bool finite(double value) {
  return value - value == 0;
}

// The same sum in every lane, by a fixed tree.
template <class T>
__device__ inline T warpSum(T value) {
  for (int offset = 16; offset > 0; offset >>= 1) value += __shfl_xor_sync(0xffffffffu, value, offset);
  return value;
}

// The sum over the block, in every thread; blocks are whole warps, 1,024 threads at most.
template <class T>
__device__ inline T blockSum(T value) {
  __shared__ T ofWarp[32];
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  value = warpSum(value);
  __syncthreads();  // an earlier call's readers are done
  if (lane == 0) ofWarp[warp] = value;
  __syncthreads();
  return warpSum(lane < static_cast<int>(blockDim.x / 32) ? ofWarp[lane] : T(0));
}

}  // namespace torchvae::kernels
