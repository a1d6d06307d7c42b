#include "ops/activation.h"

#include <ATen/ops/elu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/where.h>

#include "memory.h"

namespace torchvae {

Activations makeActivations(const Context& context, int64_t capacity, int64_t features, bool transposed) {
  Activations made;
  made.value = zeroed(context, {capacity, features});
  if (transposed && context.tiled()) made.transposed = zeroed(context, {features, capacity});
  return made;
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
