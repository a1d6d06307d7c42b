// Elementwise activations, and their derivatives as functions of the activation's own output.
#pragma once

#include <ATen/core/Tensor.h>

#include "context.h"
#include "cpu/magnitude.h"
#include "cpu/vector.h"
#include "spec.h"

namespace torchvae {

// What a layer hands on. The CPU's kernels multiply by a matrix from the left and from the right, and keep
// both forms.
struct Activations {
  at::Tensor value;       // [capacity, features]
  at::Tensor transposed;  // [features, capacity]; undefined where nobody needs it
  Magnitude magnitude;    // of the present batch, kept by the CPU's kernels
};

// Zeroed buffers of `features` columns; `transposed` ones too where the context's kernels read them.
Activations makeActivations(const Context& context, int64_t capacity, int64_t features, bool transposed);

template <ActivationKind kind>
TORCHVAE_INLINE float activate(float x) {
  switch (kind) {
    case ActivationKind::kRelu:
      return x > 0 ? x : 0;
    case ActivationKind::kTanh:
      return vec::tanh(x);
    case ActivationKind::kSigmoid:
      return vec::sigmoid(x);
    case ActivationKind::kElu:
      return x > 0 ? x : vec::exp(x < 0 ? x : 0) - 1;
    case ActivationKind::kSoftplus:
      return vec::softplus(x);
    default:
      return x;
  }
}

// d activate(x) / dx, given y = activate(x).
template <ActivationKind kind>
TORCHVAE_INLINE float activationSlope(float y) {
  switch (kind) {
    case ActivationKind::kRelu:
      return y > 0 ? 1 : 0;
    case ActivationKind::kTanh:
      return 1 - y * y;
    case ActivationKind::kSigmoid:
      return y * (1 - y);
    case ActivationKind::kElu:
      return y > 0 ? 1 : y + 1;
    case ActivationKind::kSoftplus:
      return 1 - vec::exp(-y);
    default:
      return 1;
  }
}

// y = activate(y), by plain ATen operations.
void activateInPlace(ActivationKind kind, at::Tensor& y);
// gradient *= slope(y), by plain ATen operations.
void scaleBySlope(ActivationKind kind, const at::Tensor& y, at::Tensor& gradient);

// Calls f with std::integral_constant<ActivationKind, kind>, so that the kind is known when a loop is
// compiled.
template <class F>
auto withActivation(ActivationKind kind, const F& f) {
  switch (kind) {
    case ActivationKind::kRelu:
      return f(std::integral_constant<ActivationKind, ActivationKind::kRelu>{});
    case ActivationKind::kTanh:
      return f(std::integral_constant<ActivationKind, ActivationKind::kTanh>{});
    case ActivationKind::kSigmoid:
      return f(std::integral_constant<ActivationKind, ActivationKind::kSigmoid>{});
    case ActivationKind::kElu:
      return f(std::integral_constant<ActivationKind, ActivationKind::kElu>{});
    case ActivationKind::kSoftplus:
      return f(std::integral_constant<ActivationKind, ActivationKind::kSoftplus>{});
    default:
      break;
  }
  return f(std::integral_constant<ActivationKind, ActivationKind::kIdentity>{});
}

}  // namespace torchvae
