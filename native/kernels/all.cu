// All fused kernels. NVRTC compiles this file for the device when a type's first kernel is used, with
// TORCHVAE_TYPE and TORCHVAE_SUFFIX set: a type takes a third of a second. Without them, all types.
#include "activation.cuh"
#include "batch.cuh"
#include "likelihood.cuh"
#include "optimizer.cuh"
#include "posterior.cuh"

using namespace torchvae::kernels;

#define TORCHVAE_JOIN(name, suffix) name##suffix
#define TORCHVAE_ENTRY(name, suffix, Type, Arguments, threads)                                           \
  extern "C" __global__ void __launch_bounds__(threads) TORCHVAE_JOIN(name, suffix)(const Arguments a) { \
    name<Type>(a);                                                                                       \
  }

#ifdef TORCHVAE_TYPE
#define TORCHVAE_KERNEL(name, Arguments, threads) \
  TORCHVAE_ENTRY(name, TORCHVAE_SUFFIX, TORCHVAE_TYPE, Arguments, threads)
#else
#define TORCHVAE_KERNEL(name, Arguments, threads)       \
  TORCHVAE_ENTRY(name, _f32, float, Arguments, threads) \
  TORCHVAE_ENTRY(name, _bf16, Bf16, Arguments, threads) \
  TORCHVAE_ENTRY(name, _f64, double, Arguments, threads)
#endif

#include "list.h"
