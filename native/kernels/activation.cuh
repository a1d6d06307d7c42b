// Activations and their slopes, made of interface/activations.h.
#pragma once

#include "numbers.cuh"

namespace torchvae::kernels {

// In the order of spec.h's ActivationKind, which is made of the same list.
enum Activation : int32_t {
#define TORCHVAE_ACTIVATION(kind, name, kept, tensor, value, slope) kind,
#include "activations.h"
#undef TORCHVAE_ACTIVATION
};

// The elementary functions of activations.h.
template <class C>
struct ActivationMath {
  __device__ static C tanh(C x) { return ::tanh(x); }
  __device__ static C sigmoid(C x) { return C(1) / (C(1) + exp(-x)); }
  __device__ static C expm1(C x) { return ::expm1(x); }
  __device__ static C softplus(C x) { return (x > 0 ? x : C(0)) + log1p(exp(x > 0 ? -x : x)); }
  __device__ static C normalCdf(C x) { return C(0.5) * erfc(x * C(-0.70710678118654752440)); }
  __device__ static C normalPdf(C x) { return exp(C(-0.5) * x * x) * C(0.39894228040143267794); }
};

// f(x).
template <class C>
__device__ inline C activated(int32_t activation, C x) {
  using M = ActivationMath<C>;
  switch (activation) {
#define TORCHVAE_ACTIVATION(kind, name, kept, tensor, value, slope) \
  case kind:                                                        \
    return value;
#include "activations.h"
#undef TORCHVAE_ACTIVATION
  }
  return x;
}

// f'(x), where y = f(x).
template <class C>
__device__ inline C slopeAt(int32_t activation, C x, C y) {
  using M = ActivationMath<C>;
  switch (activation) {
#define TORCHVAE_ACTIVATION(kind, name, kept, tensor, value, slope) \
  case kind:                                                        \
    return slope;
#include "activations.h"
#undef TORCHVAE_ACTIVATION
  }
  return C(1);
}

enum KeptOf : int32_t { kOutput, kSlope };

// f'(x) from what was kept: y, or the slope.
template <class C>
__device__ inline C slopeFrom(int32_t activation, C kept) {
  switch (activation) {
#define TORCHVAE_ACTIVATION(kind, name, keeps, tensor, value, slope) \
  case kind:                                                         \
    if (keeps == kSlope) return kept;                                \
    break;
#include "activations.h"
#undef TORCHVAE_ACTIVATION
  }
  return slopeAt(activation, kept, kept);
}

template <class T>
__device__ inline void activate(const ActivateArguments& a) {
  const T* from = static_cast<const T*>(a.from);
  const T* bias = static_cast<const T*>(a.bias);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < a.count; i += stride) {
    const Compute<T> added = bias == nullptr ? Compute<T>(0) : load(bias, i % a.columns);
    const Compute<T> x = load(from, i) + added;
    if (a.slope != nullptr) store(static_cast<T*>(a.slope), i, slopeAt(a.kind, x, Compute<T>(0)));
    store(static_cast<T*>(a.y), i, activated(a.kind, x));
  }
}

template <class T>
__device__ inline void scaleBySlope(const SlopeArguments& a) {
  const T* from = static_cast<const T*>(a.from);
  const T* kept = static_cast<const T*>(a.kept);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < a.count; i += stride)
    store(static_cast<T*>(a.to), i, load(from, i) * slopeFrom(a.kind, load(kept, i)));
}

}  // namespace torchvae::kernels
