#include "fused/layers/dense.h"

#include <ATen/ops/_addmm_activation.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>

#include "base/floats.h"
#include "base/memory.h"
#include "cpu/dense.h"
#include "cpu/panels.h"
#include "kernels/kernels.h"

namespace torchvae {
Dense::Dense(const Context& context, const Parameters& parameters, const DenseSlots& slots,
             ActivationKind kind, int64_t capacity, const fused::LayerUse& use)
    : context_(context),
      slots_(slots),
      in_(slots.in),
      out_(slots.out),
      capacity_(capacity),
      weight_(parameters.computeValue(context, slots.weight)),
      bias_(parameters.computeValue(context, slots.bias)) {
  activation = kind;
  // With products of our own, only the gradient in a panel layer's input is made from a transpose.
  const bool asks = !use.isFirst && (!context.panels() || slots.panels);
  output = makeActivations(context, capacity, out_,
                           context.panels() && !asks ? ProductRole::kNone : inputRole(use));
  if (context.tiled() && context.bf16) {
    rounded_ = parameters.roundedWeights.data_ptr<cpu::Bf16>() + slots.weight.offset;
    paired_ = parameters.pairedWeights.data_ptr<cpu::Bf16>() + slots.weight.offset;
  }
  if (!use.training) return;
  outputGradient =
      makeActivations(context, capacity, out_, asks ? ProductRole::kGradient : ProductRole::kLastGradient);
  keepSlopes(context, kind, outputGradient, output);
  weightGradient_ = parameters.gradient(slots.weight);
  biasGradient_ = parameters.gradient(slots.bias);
}

void Dense::forward(const Activations& x, int64_t rows) {
  input_ = &x;
  if (context_.tiledProducts()) {
    product_ = {floats(x.value),
                floats(x.transposed),
                floats(outputGradient.value),
                rows,
                in_,
                out_,
                capacity_,
                slots_.weight.offset,
                slots_.bias.offset,
                slots_.panels,
                x.rounded.transposed,
                outputGradient.rounded.pairs,
                x.nonzeros};
    if (context_.bf16) {
      const cpu::DenseOutput places{output.memory.empty() ? floats(output.value) : nullptr, nullptr,
                                    floats(output.slope), floats(output.slopeTransposed)};
      cpu::denseForwardBf16(*context_.pool, {rows, in_, out_, capacity_}, activation, x.rounded.rowMajor,
                            paired_, floats(bias_), places, output.rounded, output.magnitude);
      return;
    }
    const cpu::DenseOutput places{floats(output.value), floats(output.transposed), floats(output.slope),
                                  floats(output.slopeTransposed)};
    if (x.nonzeros != nullptr) {
      cpu::sparsePanelForward(*context_.pool, {rows, in_, out_, capacity_}, activation, floats(x.value),
                              *x.nonzeros, floats(weight_), floats(bias_), places, output.magnitude);
      return;
    }
    const auto forward = slots_.panels ? cpu::panelForward : cpu::denseForward;
    forward(*context_.pool, {rows, in_, out_, capacity_}, activation, floats(x.value), floats(weight_),
            floats(bias_), places, output.magnitude);
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
      if (activation != ActivationKind::kIdentity) {
        context_.kernels->activate(activation, y, {}, y, output.slope, rows);
      }
    }
    return;
  }
  at::addmm_out(y, bias_, x.value.narrow(0, 0, rows), weight_);
  activateRows(activation, output, rows);
}

void Dense::inputGradient(ActivationKind madeX, Activations& gradient, int64_t rows) {
  if (context_.tiled() && context_.bf16) {
    cpu::denseInputGradientBf16(
        *context_.pool, {rows, in_, out_, capacity_}, madeX, rounded_, outputGradient.rounded.transposedPairs,
        input_->rounded.transposed, floats(input_->slopeTransposed),
        gradient.memory.empty() ? floats(gradient.value) : nullptr, gradient.rounded, gradient.magnitude);
    return;
  }
  if (context_.tiledProducts()) {
    multiplyBack(madeX, 0, rows,
                 {floats(input_->kept()), floats(input_->keptTransposed()), floats(gradient.value),
                  floats(gradient.transposed)},
                 gradient.magnitude);
    return;
  }
  at::Tensor dx = gradient.value.narrow(0, 0, rows);
  if (context_.kernels != nullptr) {
    at::mm_out(dx, outputGradient.value.narrow(0, 0, rows), weight_.t());
    if (madeX != ActivationKind::kIdentity || gradient.columnSums.parts.defined()) {
      context_.kernels->scaleBySlope(madeX, input_->kept(), dx, dx, rows, gradient.columnSums);
    }
    return;
  }
  at::mm_out(dx, outputGradient.value.narrow(0, 0, rows), weight_.t());
  scaleRowsBySlope(madeX, *input_, gradient.value, rows);
}

void Dense::inputGradientOfRows(int64_t first, int64_t rows, const at::Tensor& dx) {
  Magnitude magnitude;
  multiplyBack(ActivationKind::kIdentity, first, rows, {floats(input_->value), nullptr, floats(dx), nullptr},
               magnitude);
}

void Dense::multiplyBack(ActivationKind madeX, int64_t first, int64_t rows, const cpu::InputGradient& places,
                         Magnitude& magnitude) {
  const cpu::DenseShape shape{rows, in_, out_, capacity_};
  const float* w = floats(weight_);
  const bool isRowMajor = context_.panels() && !slots_.panels;
  const float* dyT = isRowMajor ? nullptr : floats(outputGradient.transposed) + first;
  if (!context_.panels()) {
    cpu::denseInputGradient(*context_.pool, shape, madeX, w, dyT, places, magnitude);
    return;
  }
  const int64_t size = slots_.panels ? cpu::panelPartialSize(*context_.pool, in_, capacity_) : in_ * out_;
  if (!scratch_.defined()) scratch_ = zeroed(context_, {size});
  if (slots_.panels) {
    cpu::panelInputGradient(*context_.pool, shape, madeX, w, dyT, places, floats(scratch_), magnitude);
  } else {
    cpu::rowMajorInputGradient(*context_.pool, shape, madeX, w, floats(outputGradient.value) + first * out_,
                               places, floats(scratch_), magnitude);
  }
}

void Dense::weightGradient(int64_t rows) {
  const at::Tensor gradient = outputGradient.value.narrow(0, 0, rows);
  const at::Tensor xT = input_->value.narrow(0, 0, rows).t();
  if (context_.kernels != nullptr) {
    // The biases' gradients follow for all layers at once, in Kernels::finishGradients().
    const c10::ScalarType type = weightGradient_.scalar_type();
    if (gradient.scalar_type() == type) {
      at::mm_out(weightGradient_, xT, gradient);
    } else if (context_.device.is_cuda()) {
      at::mm_out(weightGradient_, xT, gradient, type);
    } else {
      at::mm_out(weightGradient_, xT.to(type), gradient.to(type));
    }
    return;
  }
  at::mm_out(weightGradient_, xT, gradient);
  at::sum_out(biasGradient_, gradient, {0});
}

const cpu::WeightProduct* Dense::weightProduct() const {
  return context_.tiledProducts() ? &product_ : nullptr;
}

void Dense::gradientParts(int64_t rows, std::vector<GradientPart>& parts) const {
  parts.push_back({slots_.weight.offset, in_ * out_, {}});
  parts.push_back({slots_.bias.offset, out_, outputGradient.value.narrow(0, 0, rows)});
}

FlatRange Dense::parameterRange() const {
  return {slots_.weight.offset, slots_.bias.offset + out_ - slots_.weight.offset};
}

bool Dense::weightGradientBounded(int64_t rows) const {
  return cpu::isBounded(input_->magnitude.value(), outputGradient.magnitude.value(), rows);
}

}  // namespace torchvae
