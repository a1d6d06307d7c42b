#include "ops/activation.h"

#include <ATen/ops/elu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/where.h>

#include "cpu/transpose.h"
#include "memory.h"

namespace torchvae {

namespace {

// A zeroed form of `lines` rows, or pairs of rows, of `stride` bfloat16s.
cpu::Bf16Place makePlace(const Context& context, int64_t lines, int64_t stride,
                         std::vector<at::Tensor>& memory) {
  Context rounded = context;
  rounded.dtype = c10::kBFloat16;
  memory.push_back(zeroed(rounded, {lines * stride}));
  return {memory.back().data_ptr<cpu::Bf16>(), stride};
}

}  // namespace

Activations makeActivations(const Context& context, int64_t capacity, int64_t features, ProductRole role) {
  Activations made;
  Context own = context;
  own.dtype = context.computeType();
  made.value = zeroed(own, {capacity, features});
  if (!context.tiled()) return made;
  const bool isInput = role == ProductRole::kInput || role == ProductRole::kTrainingInput;
  if (!context.bf16) {
    const bool reads = role == ProductRole::kTrainingInput || role == ProductRole::kGradient;
    if (reads && context.tiledProducts()) made.transposed = zeroed(context, {features, capacity});
    return made;
  }
  const int64_t rows = cpu::even(capacity);
  const int64_t columns = cpu::even(features);
  if (isInput) made.rounded.rowMajor = makePlace(context, rows, columns, made.memory);
  if (role == ProductRole::kTrainingInput) {
    made.rounded.transposed = makePlace(context, features, rows, made.memory);
  }
  if (role == ProductRole::kGradient || role == ProductRole::kLastGradient) {
    made.rounded.pairs = makePlace(context, rows / 2, 2 * features, made.memory);
  }
  if (role == ProductRole::kGradient) {
    made.rounded.transposedPairs = makePlace(context, columns / 2, 2 * capacity, made.memory);
  }
  return made;
}

void Activations::finishRows(int64_t first, int64_t last) {
  const int64_t features = value.size(1);
  const float* from = value.data_ptr<float>() + first * features;
  if (transposed.defined()) {
    transpose(from, features, last - first, features, transposed.data_ptr<float>() + first,
              transposed.size(1));
  }
  if (!memory.empty()) {
    cpu::roundTile(from, features, last - first, features, cpu::placesAt(rounded, first, 0));
  }
}

void activateInPlace(ActivationKind kind, at::Tensor& y) {
  switch (kind) {
    case ActivationKind::kRelu:
      at::relu_(y);
      return;
    case ActivationKind::kTanh:
      at::tanh_(y);
      return;
    case ActivationKind::kSigmoid:
      at::sigmoid_(y);
      return;
    case ActivationKind::kElu:
      at::elu_(y);
      return;
    case ActivationKind::kSoftplus:
      at::softplus_out(y, y);
      return;
    default:
      return;
  }
}

void scaleBySlope(ActivationKind kind, const at::Tensor& y, at::Tensor& gradient) {
  switch (kind) {
    case ActivationKind::kRelu:
      gradient.mul_(y.gt(0));
      return;
    case ActivationKind::kTanh:
      gradient.mul_(y.mul(y).neg_().add_(1));
      return;
    case ActivationKind::kSigmoid:
      gradient.mul_(y.neg().add_(1).mul_(y));
      return;
    case ActivationKind::kElu:
      gradient.mul_(y.add(1).clamp_max_(1));
      return;
    case ActivationKind::kSoftplus:
      gradient.mul_(y.neg().expm1().neg_());
      return;
    default:
      return;
  }
}

}  // namespace torchvae
