// Elementwise activations, and their derivatives as functions of the activation's own output.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "context.h"
#include "cpu/bf16.h"
#include "cpu/magnitude.h"
#include "cpu/vector.h"
#include "spec.h"

namespace torchvae {

// What dense layers do with a batch of values.
enum class ProductRole : uint8_t {
  kNone,           // nothing
  kInput,          // multiply it by their weights
  kTrainingInput,  // that, and by the gradients of what comes of it
  kGradient,       // it is the gradient in a dense layer's output
  kLastGradient,   // the same, where the gradient in the layer's input is not made from its transpose
  kResult,         // write it, for others: the gradient in a dense layer's input
};

// What a layer hands on. The CPU's kernels multiply by a matrix from the left and from the right, and keep
// the forms that they need for it.
struct Activations {
  // Brings the other forms of rows [first, last) of `value` up to date; `first` is even. May be called from
  // several threads for different rows.
  void finishRows(int64_t first, int64_t last);

  at::Tensor value;                // [capacity, features]
  at::Tensor transposed;           // [features, capacity]; undefined where nobody needs it
  cpu::Bf16Places rounded;         // of [capacity, features]; nowhere where nobody needs it
  Magnitude magnitude;             // of the present batch, kept by the CPU's kernels
  std::vector<at::Tensor> memory;  // of `rounded`
};

// Zeroed buffers of `features` columns, in the forms that the context's kernels read or write.
Activations makeActivations(const Context& context, int64_t capacity, int64_t features, ProductRole role);

// NaN goes through, so that the guard sees it: the comparisons are false for it.
template <ActivationKind kind>
TORCHVAE_INLINE float activate(float x) {
  switch (kind) {
    case ActivationKind::kRelu:
      return x < 0 ? 0 : x;
    case ActivationKind::kTanh:
      return vec::tanh(x);
    case ActivationKind::kSigmoid:
      return vec::sigmoid(x);
    case ActivationKind::kElu:
      return x > 0 ? x : vec::exp(x) - 1;
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
