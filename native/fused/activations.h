// What a fused layer hands on.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "base/context.h"
#include "cpu/bf16.h"
#include "cpu/magnitude.h"
#include "cpu/nonzeros.h"
#include "kernels/kernels.h"
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

// The CPU's kernels multiply by a matrix from the left and from the right, and keep the forms that they need
// for it.
struct Activations {
  // Brings the other forms of rows [first, last) of `value` up to date; `first` is even. May be called from
  // several threads for different rows.
  void finishRows(int64_t first, int64_t last);
  // What the backward pass needs of the activation that made this: its values or its slopes.
  const at::Tensor& kept() const { return slope.defined() ? slope : value; }
  const at::Tensor& keptTransposed() const {
    return slopeTransposed.defined() ? slopeTransposed : transposed;
  }

  at::Tensor value;                   // [capacity, features]
  at::Tensor transposed;              // [features, capacity]; undefined where nobody needs it
  at::Tensor slope, slopeTransposed;  // likewise, of activations whose slope is not a function of the value
  cpu::Bf16Places rounded;            // of [capacity, features]; nowhere where nobody needs it
  const cpu::Nonzeros* nonzeros = nullptr;  // of the present batch, where it has few
  Magnitude magnitude;                      // of the present batch, kept by the CPU's kernels
  std::vector<at::Tensor> memory;           // of `rounded`

  // On a device with fused kernels, of convolutions.
  at::Tensor missingBias;  // what is still to be added to `value`, channel by channel; undefined for nothing
  int64_t channels = 0;    // beside a missing bias: those of a pixel that are used
  ColumnSums columnSums;   // of a gradient, channel by channel, made together with `value`
};

// Zeroed buffers of `features` columns, in the forms that the context's kernels read or write.
Activations makeActivations(const Context& context, int64_t capacity, int64_t features, ProductRole role);
// Makes room for the slopes of `kind` in a layer's output, in the forms that will multiply its gradient. Does
// nothing for an activation whose slope is a function of its value.
void keepSlopes(const Context& context, ActivationKind kind, const Activations& gradient,
                Activations& output);

// y = activate(y) on the CPU, in float32 or float64, over the first `rows` rows; the slopes go to y.slope
// where that is kept.
void activateRows(ActivationKind kind, Activations& y, int64_t rows);
// gradient = gradient times the slope of the activation `kind` that made `made`, likewise.
void scaleRowsBySlope(ActivationKind kind, const Activations& made, const at::Tensor& gradient, int64_t rows);

}  // namespace torchvae
