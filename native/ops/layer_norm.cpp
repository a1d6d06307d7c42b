#include "ops/layer_norm.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "cpu/layer_norm.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

float* pointer(const Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<float>() : nullptr;
}

const float* values(const Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}

Tensor channelsInnermost(const Tensor& x) {
  return x.contiguous(x.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
}

cpu::NormShape shapeOf(const Tensor& x) {
  return {x.numel() / x.size(1), x.size(1)};
}

// Two floats each.
cpu::RowMoments* rowMoments(const Tensor& moments) {
  return reinterpret_cast<cpu::RowMoments*>(pointer(moments));
}

struct Normalized {
  Tensor y, slope, moments;
};

Normalized evaluate(Pool& pool, const LayerNormSettings& settings, const Tensor& x, const Tensor& weight,
                    const Tensor& bias, bool isKept) {
  Normalized made{at::empty_like(x), {}, {}};
  if (isKept) made.moments = at::empty({shapeOf(x).rows, 2}, weight.options());
  if (isKept && keptOf(settings.activation) == KeptOf::kSlope) made.slope = at::empty_like(x);
  cpu::normalizeRows(
      pool, shapeOf(x),
      {values(weight), values(bias), static_cast<float>(settings.epsilon), settings.activation}, values(x),
      pointer(made.y), pointer(made.slope), rowMoments(made.moments));
  return made;
}

class LayerNorm : public torch::autograd::Function<LayerNorm> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight,
                               const Tensor& bias, const LayerNormSettings* settings, Pool* pool) {
    const Tensor input = channelsInnermost(x);
    const Normalized made = evaluate(*pool, *settings, input, weight, bias, true);
    ctx->save_for_backward({input, made.slope.defined() ? made.slope : made.y, made.moments, weight});
    ctx->saved_data["pool"] = reinterpret_cast<int64_t>(pool);
    ctx->saved_data["activation"] = static_cast<int64_t>(settings->activation);
    ctx->set_materialize_grads(false);
    return {made.y, input};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    if (!gradients[0].defined()) return {gradients[1], Tensor(), Tensor(), Tensor(), Tensor()};
    const variable_list saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &kept = saved[1], &moments = saved[2], &weight = saved[3];
    const auto activation = static_cast<ActivationKind>(ctx->saved_data["activation"].toInt());
    const Tensor dy = channelsInnermost(gradients[0]);
    const Tensor beside = gradients[1].defined() ? channelsInnermost(gradients[1]) : Tensor();
    const Tensor dx = ctx->needs_input_grad(0) ? at::empty_like(x) : Tensor();
    const Tensor dweight = at::empty_like(weight), dbias = at::empty_like(weight);
    cpu::normalizeRowsBackward(*reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt()), shapeOf(x),
                               {values(weight), nullptr, 0, activation}, values(x), rowMoments(moments),
                               values(kept), values(dy), values(beside),
                               {pointer(dx), pointer(dweight), pointer(dbias)});
    return {dx, dweight, dbias, Tensor(), Tensor()};
  }
};

}  // namespace

Normed layerNorm(const Context& context, const LayerNormSettings& settings, const Tensor& x,
                 const Tensor& weight, const Tensor& bias) {
  if (!c10::GradMode::is_enabled()) {
    return {evaluate(*context.pool, settings, channelsInnermost(x), weight, bias, false).y, x};
  }
  const variable_list made = LayerNorm::apply(x, weight, bias, &settings, context.pool);
  return {made[0], made[1]};
}

}  // namespace torchvae
