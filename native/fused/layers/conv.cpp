#include "fused/layers/conv.h"

#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "base/memory.h"
#include "cpu/transpose.h"
#include "kernels/kernels.h"

namespace torchvae {
namespace {

float* pointer(const at::Tensor& tensor) {
  return tensor.data_ptr<float>();
}

int64_t outputPadding(const cpu::ConvGeometry& g, int64_t large, int64_t small) {
  return large - ((small - 1) * g.stride - 2 * g.padding + g.kernel);
}

}  // namespace

Conv::Conv(const Context& context, const Parameters& parameters, const ConvSlots& slots,
           ConvDirection direction, const cpu::ConvGeometry& geometry, ActivationKind kind, int64_t capacity,
           const fused::LayerUse& use)
    : context_(context),
      slots_(slots),
      direction_(direction),
      patches_(cpu::makeConvPatches(geometry)),
      weight_(parameters.computeValue(context, slots.weight)),
      bias_(parameters.computeValue(context, slots.bias)) {
  activation = kind;
  const int64_t size = direction == ConvDirection::kDown ? geometry.smallSize() : geometry.largeSize();
  output = makeActivations(context, capacity, size, inputRole(use));
  if (context.tiled()) weightTransposed_ = zeroed(context, {geometry.patchSize(), geometry.smallChannels});
  if (!use.training) return;
  outputGradient =
      makeActivations(context, capacity, size, use.feedsProduct ? ProductRole::kResult : ProductRole::kNone);
  keepSlopes(context, kind, outputGradient, output);
  weightGradient_ = parameters.gradient(slots.weight);
  biasGradient_ = parameters.gradient(slots.bias);
  const int64_t largest = std::max(weight_.numel(), bias_.numel());
  if (context.tiled()) partial_ = zeroed(context, {cpu::kPartialSums, largest});
}

// [rows, height, width, channels] seen as PyTorch's [rows, channels, height, width].
at::Tensor Conv::asImages(const at::Tensor& values, int64_t rows, bool large) const {
  const cpu::ConvGeometry& g = patches_.geometry;
  const at::Tensor images = values.narrow(0, 0, rows);
  return (large ? images.view({rows, g.largeHeight, g.largeWidth, g.largeChannels})
                : images.view({rows, g.smallHeight, g.smallWidth, g.smallChannels}))
      .permute({0, 3, 1, 2});
}

// PyTorch's images as contiguous values with the channels innermost; no copy where they lie so already.
at::Tensor Conv::asRows(const at::Tensor& images) {
  return images.permute({0, 2, 3, 1}).contiguous();
}

void Conv::prepareTransposedWeight() {
  const cpu::ConvGeometry& g = patches_.geometry;
  transpose(pointer(weight_), g.patchSize(), g.smallChannels, g.patchSize(), pointer(weightTransposed_),
            g.smallChannels);
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
  const cpu::ConvGeometry& g = patches_.geometry;
  if (context_.tiled()) {
    float* slope = output.slope.defined() ? pointer(output.slope) : nullptr;
    const cpu::ConvFinish finish{pointer(bias_), slope, nullptr, activation};
    if (direction_ == ConvDirection::kDown) {
      prepareTransposedWeight();
      cpu::patchesToSmall(*context_.pool, patches_, rows, pointer(x.value), pointer(weightTransposed_),
                          finish, pointer(output.value), output.magnitude);
    } else {
      cpu::smallToLarge(*context_.pool, patches_, rows, pointer(x.value), pointer(weight_), finish,
                        pointer(output.value), output.magnitude);
    }
    finishForms(output, rows);
    return;
  }
  const bool up = direction_ == ConvDirection::kUp;
  const std::array<int64_t, 2> extra{up ? outputPadding(g, g.largeHeight, g.smallHeight) : 0,
                                     up ? outputPadding(g, g.largeWidth, g.smallWidth) : 0};
  if (context_.kernels != nullptr) {
    // The library's product without a bias; one kernel then adds it, activates, and copies.
    const at::Tensor made =
        at::convolution(asImages(x.value, rows, !up), weight_.permute({0, 3, 1, 2}), {}, {g.stride, g.stride},
                        {g.padding, g.padding}, {1, 1}, up, extra, 1);
    context_.kernels->activate(activation, asRows(made), bias_, output.value, output.slope, rows);
    return;
  }
  const at::Tensor y = at::convolution(asImages(x.value, rows, !up), weight_.permute({0, 3, 1, 2}), bias_,
                                       {g.stride, g.stride}, {g.padding, g.padding}, {1, 1}, up, extra, 1);
  asImages(output.value, rows, up).copy_(y);
  activateRows(activation, output, rows);
}

void Conv::inputGradient(ActivationKind madeX, Activations& gradient, int64_t rows) {
  const cpu::ConvGeometry& g = patches_.geometry;
  const bool up = direction_ == ConvDirection::kUp;
  if (context_.tiled()) {
    const cpu::ConvFinish finish{nullptr, nullptr, pointer(input_->kept()), madeX};
    if (up) {
      prepareTransposedWeight();
      cpu::patchesToSmall(*context_.pool, patches_, rows, pointer(outputGradient.value),
                          pointer(weightTransposed_), finish, pointer(gradient.value), gradient.magnitude);
    } else {
      cpu::smallToLarge(*context_.pool, patches_, rows, pointer(outputGradient.value), pointer(weight_),
                        finish, pointer(gradient.value), gradient.magnitude);
    }
    finishForms(gradient, rows);
    return;
  }
  const std::array<int64_t, 2> extra{up ? outputPadding(g, g.largeHeight, g.smallHeight) : 0,
                                     up ? outputPadding(g, g.largeWidth, g.smallWidth) : 0};
  const auto [dx, _, __] =
      at::convolution_backward(asImages(outputGradient.value, rows, up), asImages(input_->value, rows, !up),
                               weight_.permute({0, 3, 1, 2}), at::OptionalIntArrayRef(), {g.stride, g.stride},
                               {g.padding, g.padding}, {1, 1}, up, extra, 1, {true, false, false});
  if (context_.kernels != nullptr) {
    context_.kernels->scaleBySlope(madeX, input_->kept(), asRows(dx), gradient.value, rows);
    return;
  }
  asImages(gradient.value, rows, !up).copy_(dx);
  scaleRowsBySlope(madeX, *input_, gradient.value, rows);
}

void Conv::weightGradient(int64_t rows) {
  const cpu::ConvGeometry& g = patches_.geometry;
  const bool up = direction_ == ConvDirection::kUp;
  if (context_.tiled()) {
    const float* small = pointer(up ? input_->value : outputGradient.value);
    const float* large = pointer(up ? outputGradient.value : input_->value);
    cpu::convWeightGradient(*context_.pool, patches_, rows, small, large, pointer(partial_),
                            pointer(weightGradient_));
    const int64_t pixels = up ? g.largeHeight * g.largeWidth : g.places();
    cpu::sumChannels(*context_.pool, pointer(outputGradient.value), rows, pixels,
                     up ? g.largeChannels : g.smallChannels, pointer(partial_), pointer(biasGradient_));
    return;
  }
  const std::array<int64_t, 2> extra{up ? outputPadding(g, g.largeHeight, g.smallHeight) : 0,
                                     up ? outputPadding(g, g.largeWidth, g.smallWidth) : 0};
  const std::array<int64_t, 1> biasSize{bias_.size(0)};
  const auto [_, dw, db] = at::convolution_backward(
      asImages(outputGradient.value, rows, up), asImages(input_->value, rows, !up),
      weight_.permute({0, 3, 1, 2}), at::OptionalIntArrayRef(biasSize), {g.stride, g.stride},
      {g.padding, g.padding}, {1, 1}, up, extra, 1, {false, true, true});
  weightGradient_.permute({0, 3, 1, 2}).copy_(dw);
  biasGradient_.copy_(db);
}

fused::Layer::Range Conv::parameterRange() const {
  return {slots_.weight.offset, slots_.bias.offset + bias_.numel() - slots_.weight.offset};
}

}  // namespace torchvae
