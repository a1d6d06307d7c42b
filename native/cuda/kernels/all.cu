// All fused kernels, for each type of activations. NVRTC compiles this file for the device when it is first used.
#include "activation.cuh"
#include "batch.cuh"
#include "likelihood.cuh"
#include "optimiser.cuh"
#include "posterior.cuh"

using namespace torchvae::kernels;

#define TORCHVAE_KERNEL(name, Arguments, threads)                                                            \
  extern "C" __global__ void __launch_bounds__(threads) name##_f32(const Arguments a) { name<float>(a); }    \
  extern "C" __global__ void __launch_bounds__(threads) name##_bf16(const Arguments a) { name<Bf16>(a); }    \
  extern "C" __global__ void __launch_bounds__(threads) name##_f64(const Arguments a) { name<double>(a); }

#include "list.h"
