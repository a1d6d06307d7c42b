// A dense layer with its activation, its buffers and its derivative: y = activate(x W + b).
#pragma once

#include "context.h"
#include "ops/activation.h"
#include "parameters.h"

namespace torchvae {

class Dense {
 public:
  // Buffers for up to `capacity` rows, those of the backward pass only when `training`.
  Dense(const Context& context, const Parameters& parameters, const DenseSlots& slots,
        ActivationKind activation, int64_t capacity, bool training);

  void forward(const Activations& x, int64_t rows);
  // From `outputGradient` (of this layer's value before its activation), writes the gradients of the weights,
  // and, unless `inputGradient` is null, of x before `madeX`, the activation that made it.
  void backward(const Activations& x, ActivationKind madeX, Activations* inputGradient, int64_t rows);

  ActivationKind activation() const { return activation_; }

  // Sum of the squares of the weights' gradients that backward() last wrote, not finite if one of them is
  // not.
  double gradientSquares() const { return gradientSquares_; }

  Activations output;
  Activations outputGradient;

 private:
  Context context_;
  ActivationKind activation_;
  int64_t in_, out_, capacity_;
  double gradientSquares_ = 0;
  at::Tensor weight_, bias_, weightGradient_, biasGradient_;
};

// Zeroed buffers of `features` columns in the orientations that the context's kernels read.
Activations makeActivations(const Context& context, int64_t capacity, int64_t features, bool transposed);

}  // namespace torchvae
