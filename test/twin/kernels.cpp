// The kernels' source as NVRTC compiles it, compiled for the CPU: CUDA's words are given meanings here.
#include "kernels.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "grid.h"

using torchvae::twin::blockDim;
using torchvae::twin::blockIdx;
using torchvae::twin::gridDim;
using torchvae::twin::threadIdx;

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(threads)

namespace {

void __syncthreads() {
  torchvae::twin::blockBarrier();
}
void __threadfence() {}

template <class T>
T __shfl_xor_sync(unsigned /*mask*/, T value, int lanes) {
  namespace twin = torchvae::twin;
  static_assert(sizeof(T) <= 8);
  // Sides take turns, so that a lane which is ahead does not write what another has yet to read.
  const unsigned side = twin::warpGeneration();
  std::memcpy(twin::exchangeSlot(threadIdx.x, side), &value, sizeof value);
  twin::warpBarrier();
  T other;
  std::memcpy(&other, twin::exchangeSlot(threadIdx.x ^ static_cast<unsigned>(lanes), side), sizeof other);
  return other;
}

unsigned atomicAdd(unsigned* at, unsigned more) {
  const unsigned before = *at;
  *at += more;
  return before;
}

float __uint_as_float(unsigned bits) {
  return std::bit_cast<float>(bits);
}
unsigned __float_as_uint(float value) {
  return std::bit_cast<unsigned>(value);
}
float sinpif(float x) {
  return static_cast<float>(std::sin(3.14159265358979323846 * x));
}
float cospif(float x) {
  return static_cast<float>(std::cos(3.14159265358979323846 * x));
}

}  // namespace

#include "kernels/all.cu"

namespace torchvae::twin {

#undef TORCHVAE_KERNEL
#define TORCHVAE_KERNEL(name, Arguments, threads)                                             \
  {#name "_f32", [](const void* a) { name##_f32(*static_cast<const Arguments*>(a)); }},       \
      {#name "_bf16", [](const void* a) { name##_bf16(*static_cast<const Arguments*>(a)); }}, \
      {#name "_f64", [](const void* a) { name##_f64(*static_cast<const Arguments*>(a)); }},

const std::map<std::string, TwinKernel> kTwinKernels = {
#include "kernels/list.h"
};

}  // namespace torchvae::twin
