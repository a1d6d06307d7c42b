#include "ops/batch_norm.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/floats.h"
#include "cpu/batch_norm.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Running {
  const Tensor *mean, *variance;
};

// The batch's mean and variance, which the running ones follow.
std::pair<Tensor, Tensor> followBatch(Pool& pool, double momentum, const Tensor& x, const Running& running) {
  const cpu::NormShape shape = normShape(x);
  const Tensor mean = at::empty({shape.channels}, x.options());
  const Tensor variance = at::empty_like(mean);
  cpu::channelMoments(pool, shape, constFloats(x), floats(mean), floats(variance));
  const auto rows = static_cast<double>(shape.rows);
  running.mean->mul_(1 - momentum).add_(mean, momentum);
  running.variance->mul_(1 - momentum).add_(variance, momentum * rows / (rows - 1));
  return {mean, variance};
}

struct BatchNormalized {
  Tensor y, slope, mean, inverse;
};

BatchNormalized evaluate(Pool& pool, const BatchNormSettings& settings, const Tensor& x, const Tensor& weight,
                         const Tensor& bias, const Running& running, bool keepsSlope) {
  const auto [mean, variance] = settings.isOfBatch ? followBatch(pool, settings.momentum, x, running)
                                                   : std::pair{running.mean->clone(), *running.variance};
  BatchNormalized made{at::empty_like(x), {}, mean, variance.add(settings.epsilon).rsqrt_()};
  if (keepsSlope && keptOf(settings.activation) == KeptOf::kSlope) made.slope = at::empty_like(x);
  cpu::normalize(pool, normShape(x),
                 {constFloats(mean), constFloats(made.inverse), constFloats(weight), constFloats(bias),
                  settings.activation},
                 constFloats(x), floats(made.y), floats(made.slope));
  return made;
}

class BatchNorm : public torch::autograd::Function<BatchNorm> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight,
                               const Tensor& bias, const BatchNormSettings* settings, const Running* running,
                               Pool* pool) {
    const Tensor input = channelsInnermost(x);
    const BatchNormalized made = evaluate(*pool, *settings, input, weight, bias, *running, true);
    ctx->save_for_backward(
        {input, made.slope.defined() ? made.slope : made.y, made.mean, made.inverse, weight});
    ctx->saved_data["pool"] = reinterpret_cast<int64_t>(pool);
    ctx->saved_data["activation"] = static_cast<int64_t>(settings->activation);
    ctx->saved_data["isOfBatch"] = settings->isOfBatch;
    ctx->set_materialize_grads(false);
    return {made.y, input};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    if (!gradients[0].defined()) return {gradients[1], Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
    const variable_list saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &mean = saved[2], &inverse = saved[3], &weight = saved[4];
    const auto activation = static_cast<ActivationKind>(ctx->saved_data["activation"].toInt());
    const Tensor dy = channelsInnermost(gradients[0]);
    const Tensor beside = gradients[1].defined() ? channelsInnermost(gradients[1]) : Tensor();
    const Tensor dx = ctx->needs_input_grad(0) ? at::empty_like(x) : Tensor();
    const Tensor dweight = at::empty_like(weight), dbias = at::empty_like(weight);
    cpu::normalizeBackward(
        *reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt()), normShape(x),
        {constFloats(mean), constFloats(inverse), constFloats(weight), nullptr, activation},
        ctx->saved_data["isOfBatch"].toBool(), constFloats(x), constFloats(saved[1]), constFloats(dy),
        beside.defined() ? constFloats(beside) : nullptr, {floats(dx), floats(dweight), floats(dbias)});
    return {dx, dweight, dbias, Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

Normed batchNorm(const Context& context, const BatchNormSettings& settings, const Tensor& x,
                 const Tensor& weight, const Tensor& bias, const Tensor& runningMean,
                 const Tensor& runningVariance) {
  const Running running{&runningMean, &runningVariance};
  if (!c10::GradMode::is_enabled()) {
    return {evaluate(*context.pool, settings, channelsInnermost(x), weight, bias, running, false).y, x};
  }
  const variable_list made = BatchNorm::apply(x, weight, bias, &settings, &running, context.pool);
  return {made[0], made[1]};
}

}  // namespace torchvae
