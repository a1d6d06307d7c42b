#include "ops/dense.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>

#include "cpu/dense.h"
#include "memory.h"

namespace torchvae {
namespace {

float* pointer(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<float>() : nullptr;
}

}  // namespace

Activations makeActivations(const Context& context, int64_t capacity, int64_t features, bool transposed) {
  Activations made;
  made.value = zeroed(context, {capacity, features});
  if (transposed && context.tiled()) made.transposed = zeroed(context, {features, capacity});
  return made;
}

Dense::Dense(const Context& context, const Parameters& parameters, const DenseSlots& slots,
             ActivationKind activation, int64_t capacity, bool training)
    : context_(context),
      activation_(activation),
      in_(slots.weight.sizes[0]),
      out_(slots.weight.sizes[1]),
      capacity_(capacity),
      weight_(parameters.value(slots.weight)),
      bias_(parameters.value(slots.bias)) {
  output = makeActivations(context, capacity, out_, training);
  if (!training) return;
  outputGradient = makeActivations(context, capacity, out_, true);
  weightGradient_ = parameters.gradient(slots.weight);
  biasGradient_ = parameters.gradient(slots.bias);
}

void Dense::forward(const Activations& x, int64_t rows) {
  if (context_.tiled()) {
    cpu::denseForward(*context_.pool, {rows, in_, out_, capacity_}, activation_, pointer(x.value),
                      pointer(weight_), pointer(bias_), pointer(output.value), pointer(output.transposed));
    return;
  }
  at::Tensor y = output.value.narrow(0, 0, rows);
  at::addmm_out(y, bias_, x.value.narrow(0, 0, rows), weight_);
  activateInPlace(activation_, y);
}

void Dense::backward(const Activations& x, ActivationKind madeX, Activations* inputGradient, int64_t rows) {
  if (context_.tiled()) {
    const cpu::DenseShape shape{rows, in_, out_, capacity_};
    gradientSquares_ =
        cpu::denseWeightGradient(*context_.pool, shape, pointer(x.transposed), pointer(outputGradient.value),
                                 pointer(weightGradient_), pointer(biasGradient_));
    if (inputGradient == nullptr) return;
    cpu::denseInputGradient(*context_.pool, shape, madeX, pointer(weight_),
                            pointer(outputGradient.transposed), pointer(x.transposed),
                            pointer(inputGradient->value), pointer(inputGradient->transposed));
    return;
  }
  const at::Tensor input = x.value.narrow(0, 0, rows);
  const at::Tensor gradient = outputGradient.value.narrow(0, 0, rows);
  at::mm_out(weightGradient_, input.t(), gradient);
  at::sum_out(biasGradient_, gradient, {0});
  if (inputGradient == nullptr) return;
  at::Tensor dx = inputGradient->value.narrow(0, 0, rows);
  at::mm_out(dx, gradient, weight_.t());
  scaleBySlope(madeX, input, dx);
}

}  // namespace torchvae
