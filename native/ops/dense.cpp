#include "ops/dense.h"

#include <ATen/ops/_addmm_activation.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>

#include "cpu/dense.h"
#include "ops/kernels.h"

namespace torchvae {
namespace {

float* pointer(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<float>() : nullptr;
}

}  // namespace

Dense::Dense(const Context& context, const Parameters& parameters, const DenseSlots& slots,
             ActivationKind kind, int64_t capacity, const LayerUse& use)
    : context_(context),
      slots_(slots),
      in_(slots.weight.sizes[0]),
      out_(slots.weight.sizes[1]),
      capacity_(capacity),
      weight_(parameters.computeValue(slots.weight)),
      bias_(parameters.computeValue(slots.bias)) {
  activation = kind;
  output = makeActivations(context, capacity, out_, use.training && use.feedsProduct);
  if (!use.training) return;
  outputGradient = makeActivations(context, capacity, out_, true);
  weightGradient_ = parameters.gradient(slots.weight);
  biasGradient_ = parameters.gradient(slots.bias);
}

void Dense::forward(const Activations& x, int64_t rows) {
  input_ = &x;
  if (context_.tiled()) {
    product_ = {
        pointer(x.transposed), pointer(outputGradient.value), in_, out_, capacity_, slots_.weight.offset,
        slots_.bias.offset};
    cpu::denseForward(*context_.pool, {rows, in_, out_, capacity_}, activation, pointer(x.value),
                      pointer(weight_), pointer(bias_), pointer(output.value), pointer(output.transposed),
                      output.magnitude);
    return;
  }
  at::Tensor y = output.value.narrow(0, 0, rows);
  if (context_.kernels != nullptr) {
    // Bias and relu go into the product's epilogue.
    const at::Tensor from = x.value.narrow(0, 0, rows);
    if (activation == ActivationKind::kRelu) {
      at::_addmm_activation_out(y, bias_, from, weight_);
    } else {
      at::addmm_out(y, bias_, from, weight_);
      if (activation != ActivationKind::kIdentity) context_.kernels->activate(activation, y, {}, y, rows);
    }
    return;
  }
  at::addmm_out(y, bias_, x.value.narrow(0, 0, rows), weight_);
  activateInPlace(activation, y);
}

void Dense::inputGradient(ActivationKind madeX, Activations& gradient, int64_t rows) {
  if (context_.tiled()) {
    cpu::denseInputGradient(*context_.pool, {rows, in_, out_, capacity_}, madeX, pointer(weight_),
                            pointer(outputGradient.transposed), pointer(input_->transposed),
                            pointer(gradient.value), pointer(gradient.transposed), gradient.magnitude);
    return;
  }
  at::Tensor dx = gradient.value.narrow(0, 0, rows);
  at::mm_out(dx, outputGradient.value.narrow(0, 0, rows), weight_.t());
  if (context_.kernels != nullptr) {
    if (madeX != ActivationKind::kIdentity)
      context_.kernels->scaleBySlope(madeX, input_->value, dx, dx, rows);
    return;
  }
  scaleBySlope(madeX, input_->value.narrow(0, 0, rows), dx);
}

void Dense::weightGradient(int64_t rows) {
  const at::Tensor gradient = outputGradient.value.narrow(0, 0, rows);
  const at::Tensor xT = input_->value.narrow(0, 0, rows).t();
  if (context_.kernels != nullptr) {
    // The biases' gradients follow for all layers at once, in Kernels::finishGradients().
    if (gradient.scalar_type() == weightGradient_.scalar_type()) {
      at::mm_out(weightGradient_, xT, gradient);
    } else if (context_.device.is_cuda()) {
      at::mm_out(weightGradient_, xT, gradient, weightGradient_.scalar_type());
    } else {
      at::mm_out(weightGradient_, xT.to(weightGradient_.scalar_type()),
                 gradient.to(weightGradient_.scalar_type()));
    }
    return;
  }
  at::mm_out(weightGradient_, xT, gradient);
  at::sum_out(biasGradient_, gradient, {0});
}

void Dense::gradientParts(int64_t rows, std::vector<GradientPart>& parts) const {
  parts.push_back({slots_.weight.offset, in_ * out_, {}});
  parts.push_back({slots_.bias.offset, out_, outputGradient.value.narrow(0, 0, rows)});
}

const cpu::WeightProduct* Dense::weightProduct() const {
  return context_.tiled() ? &product_ : nullptr;
}

bool Dense::weightGradientBounded(int64_t rows) const {
  // Adam squares the gradient, so it must stay below the root of the largest float.
  constexpr double kLimit = 1e19;
  const double x = std::max(1.0f, input_->magnitude.value());
  const double dy = outputGradient.magnitude.value();
  return x * dy * static_cast<double>(rows) < kLimit;
}

}  // namespace torchvae
