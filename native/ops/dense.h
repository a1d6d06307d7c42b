// A dense layer with its activation, its buffers and its derivatives: y = activate(x W + b).
#pragma once

#include "context.h"
#include "cpu/weights.h"
#include "ops/activation.h"
#include "parameters.h"

namespace torchvae {

// Which of a layer's buffers somebody reads.
struct DenseUse {
  bool training = false;     // the backward pass
  bool feedsProduct = true;  // the output is multiplied by another layer's weights
};

class Dense {
 public:
  // Buffers for up to `capacity` rows.
  Dense(const Context& context, const Parameters& parameters, const DenseSlots& slots,
        ActivationKind activation, int64_t capacity, const DenseUse& use);

  // Keeps a reference to x for the backward pass.
  void forward(const Activations& x, int64_t rows);

  // The three below start from `outputGradient`, the gradient in this layer's value before its activation.

  // Writes the gradient in x before `madeX`, the activation that made it.
  void inputGradient(ActivationKind madeX, Activations& gradient, int64_t rows) const;
  // Writes the weights' gradients by plain ATen operations.
  void weightGradient(int64_t rows);
  // The weights' gradients as work for the CPU's kernels.
  cpu::WeightProduct weightProduct() const;
  // Whether the weights' gradients are sure to be finite, judged by the magnitudes of the factors.
  bool weightGradientBounded(int64_t rows) const;

  ActivationKind activation() const { return activation_; }

  Activations output;
  Activations outputGradient;

 private:
  Context context_;
  ActivationKind activation_;
  DenseSlots slots_;
  int64_t in_, out_, capacity_;
  at::Tensor weight_, bias_, weightGradient_, biasGradient_;
  const Activations* input_ = nullptr;
};

// Zeroed buffers of `features` columns in the orientations that the context's kernels read.
Activations makeActivations(const Context& context, int64_t capacity, int64_t features, bool transposed);

}  // namespace torchvae
