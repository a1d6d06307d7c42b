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

// An activation that is known when the kernel is compiled.
template <int32_t kActivation>
struct KnownActivation {
  __device__ constexpr operator int32_t() const { return kActivation; }
};
template <class Body>
__device__ inline void withActivation(int32_t activation, const Body& body) {
  switch (activation) {
#define TORCHVAE_ACTIVATION(kind, name, kept, tensor, value, slope) \
  case kind:                                                        \
    return body(KnownActivation<kind>());
#include "activations.h"
#undef TORCHVAE_ACTIVATION
  }
}

template <class T, int N, class Kind>
__device__ inline void activateColumns(const ActivateArguments& a, Kind kind) {
  using C = Compute<T>;
  const ColumnPlace place = placeIn<N>(a.walk, blockIdx.x, gridDim.x);
  C bias[N] = {};
  if (a.bias != nullptr && place.line < a.walk.lines) loadColumns<T, N>(a.bias, place.column, bias);
  for (int64_t line = place.line; line < a.walk.lines; line += place.step) {
    const int64_t at = line * a.walk.columns + place.column;
    C x[N], made[N];
    loadColumns<T, N>(a.from, at, x);
#pragma unroll
    for (int k = 0; k < N; ++k) x[k] += bias[k];
#pragma unroll
    for (int k = 0; k < N; ++k) made[k] = activated(kind, x[k]);
    storeColumns<T, N>(a.y, at, made);
    if (a.slope == nullptr) continue;
#pragma unroll
    for (int k = 0; k < N; ++k) made[k] = slopeAt(kind, x[k], C(0));
    storeColumns<T, N>(a.slope, at, made);
  }
}

// Blocks of kWalkThreads.
template <class T>
__device__ inline void activate(const ActivateArguments& a) {
  if (a.walk.vector == 1) return activateColumns<T, 1>(a, a.kind);
  withActivation(a.kind, [&](auto kind) { activateColumns<T, kVector<T>>(a, kind); });
}

template <class T, int N, class Kind>
__device__ inline void scaleColumns(const SlopeArguments& a, Kind kind) {
  using C = Compute<T>;
  const ColumnPlace place = placeIn<N>(a.walk, blockIdx.x, gridDim.x);
  C sums[N] = {};
  for (int64_t line = place.line; line < a.walk.lines; line += place.step) {
    const int64_t at = line * a.walk.columns + place.column;
    C gradient[N], kept[N];
    loadColumns<T, N>(a.from, at, gradient);
    loadColumns<T, N>(a.kept, at, kept);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      gradient[k] *= slopeFrom(kind, kept[k]);
      sums[k] += gradient[k];
    }
    storeColumns<T, N>(a.to, at, gradient);
  }
  if (a.sums != nullptr) storeSums(a.walk, place, blockIdx.x / a.walk.slices, sums, static_cast<C*>(a.sums));
}

// Blocks of kWalkThreads.
template <class T>
__device__ inline void scaleBySlope(const SlopeArguments& a) {
  if (a.walk.vector == 1) return scaleColumns<T, 1>(a, a.kind);
  withActivation(a.kind, [&](auto kind) { scaleColumns<T, kVector<T>>(a, kind); });
}

}  // namespace torchvae::kernels
