#include "fused/layers/conv.h"

#include <algorithm>

#include "base/floats.h"

namespace torchvae {
namespace {

// Images [rows, height, width, channels] as the first rows of `values`.
void copyImages(const at::Tensor& images, const at::Tensor& values) {
  values.narrow(0, 0, images.size(0)).view(images.sizes()).copy_(images);
}

}  // namespace

Conv::Conv(const Context& context, const Parameters& parameters, const ConvSlots& slots,
           ConvDirection direction, const cpu::ConvGeometry& geometry, ActivationKind kind, int64_t capacity,
           const fused::LayerUse& use)
    : context_(context),
      slots_(slots),
      direction_(direction),
      products_(geometry, context.panels()),
      library_(direction, geometry),
      weight_(parameters.computeValue(context, slots.weight)),
      bias_(parameters.computeValue(context, slots.bias)) {
  activation = kind;
  const int64_t size = direction == ConvDirection::kDown ? geometry.smallSize() : geometry.largeSize();
  output = makeActivations(context, capacity, size, inputRole(use));
  if (!use.training) return;
  outputGradient =
      makeActivations(context, capacity, size, use.feedsProduct ? ProductRole::kResult : ProductRole::kNone);
  keepSlopes(context, kind, outputGradient, output);
  weightGradient_ = parameters.gradient(slots.weight);
  biasGradient_ = parameters.gradient(slots.bias);
}

// The forms of a batch that a dense layer is to read.
void Conv::finishForms(Activations& activations, int64_t rows) const {
  if (!activations.transposed.defined() && activations.memory.empty()) return;
  constexpr int64_t kTileRows = 16;
  context_.pool->run((rows + kTileRows - 1) / kTileRows, [&](int64_t tile) {
    activations.finishRows(tile * kTileRows, std::min(rows, (tile + 1) * kTileRows));
  });
}

void Conv::forward(const Activations& x, int64_t rows) {
  input_ = &x;
  if (context_.tiled()) {
    float* slope = output.slope.defined() ? floats(output.slope) : nullptr;
    const cpu::ConvFinish finish{floats(bias_), slope, nullptr, activation, nullptr, &output.magnitude};
    if (direction_ == ConvDirection::kDown) {
      products_.toSmall(*context_.pool, rows, floats(x.value), floats(weight_), finish, floats(output.value));
    } else {
      products_.toLarge(*context_.pool, rows, floats(x.value), floats(weight_), finish, floats(output.value));
    }
    finishForms(output, rows);
    return;
  }
  copyImages(library_.forward(x.value, weight_, bias_, rows), output.value);
  activateRows(activation, output, rows);
}

void Conv::inputGradient(ActivationKind madeX, Activations& gradient, int64_t rows) {
  const bool up = direction_ == ConvDirection::kUp;
  if (context_.tiled()) {
    const cpu::ConvFinish finish{nullptr, nullptr, floats(input_->kept()),
                                 madeX,   nullptr, &gradient.magnitude};
    if (up) {
      products_.toSmall(*context_.pool, rows, floats(outputGradient.value), floats(weight_), finish,
                        floats(gradient.value));
    } else {
      products_.toLarge(*context_.pool, rows, floats(outputGradient.value), floats(weight_), finish,
                        floats(gradient.value));
    }
    finishForms(gradient, rows);
    return;
  }
  copyImages(library_.inputGradient(outputGradient.value, input_->value, weight_, rows), gradient.value);
  scaleRowsBySlope(madeX, *input_, gradient.value, rows);
}

void Conv::weightGradient(int64_t rows) {
  const cpu::ConvGeometry& g = products_.geometry();
  const bool up = direction_ == ConvDirection::kUp;
  if (context_.tiled()) {
    const float* small = floats(up ? input_->value : outputGradient.value);
    const float* large = floats(up ? outputGradient.value : input_->value);
    products_.weightGradient(*context_.pool, rows, small, large, floats(weightGradient_));
    const int64_t pixels = up ? g.largeHeight * g.largeWidth : g.places();
    cpu::ConvProducts::biasGradient(*context_.pool, floats(outputGradient.value), rows, pixels,
                                    up ? g.largeChannels : g.smallChannels, floats(biasGradient_));
    return;
  }
  const auto [dw, db] = library_.weightGradients(outputGradient.value, input_->value, weight_, rows, true);
  weightGradient_.copy_(dw);
  biasGradient_.copy_(db);
}

FlatRange Conv::parameterRange() const {
  return {slots_.weight.offset, slots_.bias.offset + bias_.numel() - slots_.weight.offset};
}

}  // namespace torchvae
