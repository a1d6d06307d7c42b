// A dense layer with its activation as one differentiable operation over the CPU's kernels, for models that
// are not fused as a whole.
#pragma once

#include "base/tensor.h"
#include "cpu/nonzeros.h"
#include "store/parameters.h"

namespace torchvae {

// The layer's place, and what its derivatives go to.
class DenseOp {
 public:
  DenseOp(const Context& context, Parameters& parameters, const DenseSlots& slots)
      : context_(&context), parameters_(&parameters), slots_(slots) {}

  // y = activate(x W^T + b), [rows, out], of x [rows, in]. The gradients of W and b are written straight to
  // the store. Once differentiable.
  Tensor operator()(const Tensor& x, ActivationKind activation) const;

  // The two halves of it, on plain values; `slope` is undefined for activations whose slope is a function of
  // y.
  struct Output {
    Tensor y, slope;
  };
  // `isData`: nobody asks for the gradient in x, of which much may be zero.
  Output forward(const Tensor& x, ActivationKind activation, bool keepsSlope, bool isData = false) const;
  // The gradient in x, undefined unless asked for; leaves the weights' gradients in the store where asked
  // for.
  Tensor backward(const Tensor& x, const Tensor& kept, const Tensor& dy, ActivationKind activation,
                  bool wantsInput, bool wantsWeights) const;

 private:
  void addWeightGradients(const Tensor& x, const Tensor& before, bool isData) const;

  const Context* context_;
  Parameters* parameters_;
  DenseSlots slots_;
  mutable cpu::Nonzeros nonzeros_;  // of the present x; kept for its memory
};

}  // namespace torchvae
