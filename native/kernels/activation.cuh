// Activations, and their slopes as functions of the activation's own output.
#pragma once

#include "numbers.cuh"

namespace torchvae::kernels {

// In the order of spec.h's ActivationKind.
enum Activation : int32_t { kIdentity, kRelu, kTanh, kSigmoid, kElu, kSoftplus };

template <class C>
__device__ inline C activated(int32_t kind, C x) {
  switch (kind) {
    case kRelu:
      return x > 0 ? x : (x != x ? x : C(0));  // NaN goes through, so that the guard sees it
    case kTanh:
      return tanh(x);
    case kSigmoid:
      return C(1) / (C(1) + exp(-x));
    case kElu:
      return x > 0 ? x : expm1(x);
    case kSoftplus:
      return (x > 0 ? x : C(0)) + log1p(exp(x > 0 ? -x : x));
    default:
      return x;
  }
}

template <class C>
__device__ inline C slope(int32_t kind, C y) {
  switch (kind) {
    case kRelu:
      return y > 0 ? C(1) : C(0);
    case kTanh:
      return C(1) - y * y;
    case kSigmoid:
      return y * (C(1) - y);
    case kElu:
      return y > 0 ? C(1) : y + C(1);
    case kSoftplus:
      return -expm1(-y);
    default:
      return C(1);
  }
}

template <class T>
__device__ inline void activate(const ActivateArguments& a) {
  const T* from = static_cast<const T*>(a.from);
  const T* bias = static_cast<const T*>(a.bias);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < a.count; i += stride) {
    const Compute<T> added = bias == nullptr ? Compute<T>(0) : load(bias, i % a.columns);
    store(static_cast<T*>(a.y), i, activated(a.kind, load(from, i) + added));
  }
}

template <class T>
__device__ inline void scaleBySlope(const SlopeArguments& a) {
  const T* from = static_cast<const T*>(a.from);
  const T* made = static_cast<const T*>(a.made);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < a.count; i += stride)
    store(static_cast<T*>(a.to), i, load(from, i) * slope(a.kind, load(made, i)));
}

}  // namespace torchvae::kernels
