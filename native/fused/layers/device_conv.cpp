#include "fused/layers/device_conv.h"

#include <algorithm>

#include "base/memory.h"
#include "fused/coverage.h"
#include "kernels/kernels.h"

namespace torchvae {

DeviceConv::DeviceConv(const Context& context, const Parameters& parameters, const ConvSlots& slots,
                       ConvDirection direction, const cpu::ConvGeometry& geometry, ActivationKind kind,
                       int64_t capacity, const fused::LayerUse& use)
    : kernels_(context.kernels),
      slots_(slots),
      conv_(direction, geometry),
      weight_(parameters.computeValue(context, slots.weight)),
      bias_(parameters.computeValue(context, slots.bias)),
      isUp_(direction == ConvDirection::kUp),
      leavesBias_(use.feedsLikelihood) {
  activation = kind;
  const int64_t size = direction == ConvDirection::kDown ? geometry.smallSize() : geometry.largeSize();
  if (leavesBias_) {
    output.missingBias = bias_;
    output.channels = slots.outputChannels;
  } else {
    output = makeActivations(context, capacity, size, ProductRole::kNone);
  }
  const kernels::Precision precision = precisionOf(context);
  if (context.dtype != c10::kDouble && ConvImages::serves(precision, geometry) && !fused::asksForLayers()) {
    const auto way = [](bool isUp) { return isUp ? ConvImages::Way::kUp : ConvImages::Way::kDown; };
    forward_.emplace(kernels_->part(), precision, geometry, way(isUp_));
    if (use.training) back_.emplace(kernels_->part(), precision, geometry, way(!isUp_));
    if (leavesBias_) output.value = makeActivations(context, capacity, size, ProductRole::kNone).value;
  }
  if (!use.training) return;
  if (context.dtype != c10::kDouble && ConvWeights::serves(precision, geometry))
    weights_.emplace(kernels_->part(), precision, geometry, capacity, bias_.options().dtype(c10::kFloat));
  outputGradient = makeActivations(context, capacity, size, ProductRole::kNone);
  outputGradient.columnSums.parts = zeroed(context, {std::max(capacity, Kernels::kMostSums), bias_.size(0)});
  if (!leavesBias_) keepSlopes(context, kind, outputGradient, output);
}

void DeviceConv::forward(const Activations& x, int64_t rows) {
  input_ = &x;
  if (forward_) {
    const at::Tensor bias = leavesBias_ ? at::Tensor() : bias_;
    forward_->make(x.value, weight_, bias, activation, rows, output.value, output.slope);
    return;
  }
  const at::Tensor made = conv_.forward(x.value, weight_, {}, rows).contiguous();
  if (leavesBias_) {
    output.value = made.view({rows, -1});
  } else {
    kernels_->activate(activation, made, bias_, output.value, output.slope, rows);
  }
}

void DeviceConv::inputGradient(ActivationKind madeX, Activations& gradient, int64_t rows) {
  if (back_) {
    back_->makeGradient(outputGradient.value, weight_, madeX, input_->kept(), rows, gradient.value,
                        gradient.columnSums);
    return;
  }
  const at::Tensor dx = conv_.inputGradient(outputGradient.value, input_->value, weight_, rows).contiguous();
  kernels_->scaleBySlope(madeX, input_->kept(), dx, gradient.value, rows, gradient.columnSums);
}

void DeviceConv::weightGradient(int64_t rows) {
  if (weights_) {
    const at::Tensor& small = isUp_ ? input_->value : outputGradient.value;
    const at::Tensor& large = isUp_ ? outputGradient.value : input_->value;
    weights_->gradient(small, large, rows);
    return;
  }
  weightGradient_ = conv_.weightGradients(outputGradient.value, input_->value, weight_, rows, false)
                        .first.contiguous()
                        .view({-1});
}

void DeviceConv::gradientParts(int64_t rows, std::vector<GradientPart>& parts) const {
  const ColumnSums& sums = outputGradient.columnSums;
  parts.push_back(
      {slots_.weight.offset, weight_.numel(), weights_ ? weights_->parts(rows) : weightGradient_});
  parts.push_back({slots_.bias.offset, bias_.numel(), sums.parts.narrow(0, 0, sums.lines)});
}

}  // namespace torchvae
