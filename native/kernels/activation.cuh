// Activations and their slopes, made of interface/activations.h.
#pragma once

#include "columns.cuh"

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

// Whether slopes are kept, and not outputs.
__device__ inline bool doesKeepSlope(int32_t activation) {
  switch (activation) {
#define TORCHVAE_ACTIVATION(kind, name, keeps, tensor, value, slope) \
  case kind:                                                         \
    return keeps == kSlope;
#include "activations.h"
#undef TORCHVAE_ACTIVATION
  }
  return false;
}

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

// Of every x; relu, which most networks have, without a jump for each.
template <class C, int N>
__device__ inline void activateAll(int32_t activation, C (&x)[N]) {
  if (activation != kRelu) return forEach(x, [&](C value, int) { return activated(activation, value); });
#pragma unroll
  for (int k = 0; k < N; ++k) x[k] = activated<C>(kRelu, x[k]);
}
template <class C, int N>
__device__ inline void slopesFromAll(int32_t activation, C (&kept)[N]) {
  if (activation != kRelu) return forEach(kept, [&](C value, int) { return slopeFrom(activation, value); });
#pragma unroll
  for (int k = 0; k < N; ++k) kept[k] = slopeFrom<C>(kRelu, kept[k]);
}

template <class T, int N>
__device__ inline void activateColumns(const ActivateArguments& a) {
  using C = Compute<T>;
  const ColumnPlace place = placeIn<N>(a.walk, blockIdx.x, gridDim.x);
  C bias[N] = {};
  if (a.bias != nullptr && place.line < a.walk.lines) loadColumns<T, N>(a.bias, place.column, bias);
  for (int64_t line = place.line; line < a.walk.lines; line += place.step) {
    const int64_t at = line * a.walk.columns + place.column;
    C x[N];
    loadColumns<T, N>(a.from, at, x);
#pragma unroll
    for (int k = 0; k < N; ++k) x[k] += bias[k];
    if (a.slope != nullptr) {
      C slopes[N];
#pragma unroll
      for (int k = 0; k < N; ++k) slopes[k] = x[k];
      forEach(slopes, [&](C value, int) { return slopeAt(a.kind, value, C(0)); });
      storeColumns<T, N>(a.slope, at, slopes);
    }
    activateAll(a.kind, x);
    storeColumns<T, N>(a.y, at, x);
  }
}

// Blocks of kWalkThreads.
template <class T>
__device__ inline void activate(const ActivateArguments& a) {
  a.walk.vector == 1 ? activateColumns<T, 1>(a) : activateColumns<T, kVector<T>>(a);
}

template <class T, int N>
__device__ inline void scaleColumns(const SlopeArguments& a) {
  using C = Compute<T>;
  const ColumnPlace place = placeIn<N>(a.walk, blockIdx.x, gridDim.x);
  C sums[N] = {};
  for (int64_t line = place.line; line < a.walk.lines; line += place.step) {
    const int64_t at = line * a.walk.columns + place.column;
    C gradient[N], slopes[N];
    loadColumns<T, N>(a.from, at, gradient);
    loadColumns<T, N>(a.kept, at, slopes);
    slopesFromAll(a.kind, slopes);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      gradient[k] *= slopes[k];
      sums[k] += gradient[k];
    }
    storeColumns<T, N>(a.to, at, gradient);
  }
  if (a.sums != nullptr) storeSums(a.walk, place, blockIdx.x / a.walk.slices, sums, static_cast<C*>(a.sums));
}

// Blocks of kWalkThreads.
template <class T>
__device__ inline void scaleBySlope(const SlopeArguments& a) {
  a.walk.vector == 1 ? scaleColumns<T, 1>(a) : scaleColumns<T, kVector<T>>(a);
}

}  // namespace torchvae::kernels
