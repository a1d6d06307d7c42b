#include "ops/activation.h"

#include <ATen/ops/elu.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softplus.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "cpu/activation.h"
#include "cpu/ranges.h"
#include "cpu/slope.h"
#include "ops/plain.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class ActivationFunction : public torch::autograd::Function<ActivationFunction> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x, int64_t activation, Pool* pool) {
    const auto kind = static_cast<ActivationKind>(activation);
    const Tensor input = x.contiguous(), y = at::empty_like(input);
    const Tensor slope = keptOf(kind) == KeptOf::kSlope ? at::empty_like(input) : Tensor();
    const float* from = input.const_data_ptr<float>();
    float* to = y.mutable_data_ptr<float>();
    float* slopes = slope.defined() ? slope.mutable_data_ptr<float>() : nullptr;
    forRanges(*pool, input.numel(), kValueRange, [&](int64_t first, int64_t last) {
      cpu::applyActivation(kind, from + first, last - first, to + first,
                           slopes == nullptr ? nullptr : slopes + first);
    });
    ctx->save_for_backward({slope.defined() ? slope : y});
    ctx->saved_data["activation"] = activation;
    ctx->saved_data["pool"] = reinterpret_cast<int64_t>(pool);
    return y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const Tensor kept = ctx->get_saved_variables()[0], dy = gradients[0].contiguous();
    const auto kind = static_cast<ActivationKind>(ctx->saved_data["activation"].toInt());
    auto* pool = reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt());
    const Tensor dx = at::empty_like(kept);
    const float *from = dy.const_data_ptr<float>(), *slopes = kept.const_data_ptr<float>();
    float* to = dx.mutable_data_ptr<float>();
    forRanges(*pool, dx.numel(), kValueRange, [&](int64_t first, int64_t last) {
      cpu::multiplyBySlope(kind, from + first, slopes + first, last - first, to + first);
    });
    return {dx, Tensor(), Tensor()};
  }
};

}  // namespace

Tensor activate(ActivationKind activation, const Tensor& x) {
  switch (activation) {
#define TORCHVAE_ACTIVATION(kind, name, kept, tensor, value, slope) \
  case ActivationKind::kind:                                        \
    return tensor;
#include "activations.h"
#undef TORCHVAE_ACTIVATION
  }
  return x;
}

Tensor activate(const Context& context, ActivationKind kind, const Tensor& x) {
  if (kind == ActivationKind::kIdentity || !PlainOperations::served(context)) return activate(kind, x);
  return ActivationFunction::apply(x, static_cast<int64_t>(kind), context.pool);
}

}  // namespace torchvae
