// Elementwise activations of one value and their slopes, made of interface/activations.h.
#pragma once

#include <cmath>
#include <numbers>
#include <type_traits>

#include "cpu/vector.h"
#include "spec.h"

namespace torchvae {

// What the backward pass keeps of an activation: its output, or its slope where that is not a function of the
// output.
enum class KeptOf : uint8_t { kOutput, kSlope };

constexpr KeptOf keptOf(ActivationKind kind) {
  switch (kind) {
#define TORCHVAE_ACTIVATION(kind, name, kept, tensor, value, slope) \
  case ActivationKind::kind:                                        \
    return KeptOf::kept;
#include "activations.h"
#undef TORCHVAE_ACTIVATION
  }
  return KeptOf::kOutput;
}

// The elementary functions of activations.h: in float32 those that vectorize, in float64 the library's.
template <class C>
struct ActivationMath {
  static C tanh(C x) { return std::tanh(x); }
  static C sigmoid(C x) { return C(1) / (C(1) + std::exp(-x)); }
  static C expm1(C x) { return std::expm1(x); }
  static C softplus(C x) { return (x > 0 ? x : C(0)) + std::log1p(std::exp(x > 0 ? -x : x)); }
  static C normalCdf(C x) { return C(0.5) * std::erfc(-x / std::numbers::sqrt2_v<C>); }
  static C normalPdf(C x) {
    return std::exp(C(-0.5) * x * x) * std::numbers::inv_sqrtpi_v<C> / std::numbers::sqrt2_v<C>;
  }
};
template <>
struct ActivationMath<float> {
  TORCHVAE_INLINE static float tanh(float x) { return vec::tanh(x); }
  TORCHVAE_INLINE static float sigmoid(float x) { return vec::sigmoid(x); }
  TORCHVAE_INLINE static float expm1(float x) { return vec::exp(x) - 1; }
  TORCHVAE_INLINE static float softplus(float x) { return vec::softplus(x); }
  TORCHVAE_INLINE static float normalCdf(float x) { return vec::normalCdf(x); }
  TORCHVAE_INLINE static float normalPdf(float x) { return vec::normalPdf(x); }
};

// y = f(x).
template <ActivationKind activation, class C>
TORCHVAE_INLINE C activate(C x) {
  using M = ActivationMath<C>;
  switch (activation) {
#define TORCHVAE_ACTIVATION(kind, name, kept, tensor, value, slope) \
  case ActivationKind::kind:                                        \
    return value;
#include "activations.h"
#undef TORCHVAE_ACTIVATION
  }
  return x;
}

// f'(x), where y = f(x).
template <ActivationKind activation, class C>
TORCHVAE_INLINE C slopeAt(C x, C y) {
  using M = ActivationMath<C>;
  switch (activation) {
#define TORCHVAE_ACTIVATION(kind, name, kept, tensor, value, slope) \
  case ActivationKind::kind:                                        \
    return slope;
#include "activations.h"
#undef TORCHVAE_ACTIVATION
  }
  return C(1);
}

// f'(x) from what was kept: y, or the slope.
template <ActivationKind activation, class C>
TORCHVAE_INLINE C activationSlope(C kept) {
  if constexpr (keptOf(activation) == KeptOf::kSlope) return kept;
  return slopeAt<activation>(kept, kept);
}

// Calls f with std::integral_constant<ActivationKind, kind>, so that the kind is known when a loop is
// compiled.
template <class F>
auto withActivation(ActivationKind activation, const F& f) {
  switch (activation) {
#define TORCHVAE_ACTIVATION(kind, name, kept, tensor, value, slope) \
  case ActivationKind::kind:                                        \
    return f(std::integral_constant<ActivationKind, ActivationKind::kind>{});
#include "activations.h"
#undef TORCHVAE_ACTIVATION
  }
  return f(std::integral_constant<ActivationKind, ActivationKind::kIdentity>{});
}

}  // namespace torchvae
