#include "ops/layer_norm.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/floats.h"
#include "cpu/layer_norm.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Two floats each.
cpu::RowMoments* rowMoments(const Tensor& moments) {
  return reinterpret_cast<cpu::RowMoments*>(floats(moments));
}

struct LayerNormalized {
  Tensor y, slope, moments;
};

LayerNormalized evaluate(Pool& pool, const LayerNormSettings& settings, const Tensor& x, const Tensor& weight,
                         const Tensor& bias, bool isKept) {
  LayerNormalized made{at::empty_like(x), {}, {}};
  if (isKept) made.moments = at::empty({normShape(x).rows, 2}, weight.options());
  if (isKept && keptOf(settings.activation) == KeptOf::kSlope) made.slope = at::empty_like(x);
  cpu::normalizeRows(
      pool, normShape(x),
      {constFloats(weight), constFloats(bias), static_cast<float>(settings.epsilon), settings.activation},
      constFloats(x), floats(made.y), floats(made.slope), rowMoments(made.moments));
  return made;
}

class LayerNorm : public torch::autograd::Function<LayerNorm> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight,
                               const Tensor& bias, const LayerNormSettings* settings, Pool* pool) {
    const Tensor input = channelsInnermost(x);
    const LayerNormalized made = evaluate(*pool, *settings, input, weight, bias, true);
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
    cpu::normalizeRowsBackward(*reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt()), normShape(x),
                               {constFloats(weight), nullptr, 0, activation}, constFloats(x),
                               rowMoments(moments), constFloats(kept), constFloats(dy), constFloats(beside),
                               {floats(dx), floats(dweight), floats(dbias)});
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
