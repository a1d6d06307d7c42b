#include "ops/batch_norm.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "cpu/batch_norm.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Running {
  const Tensor *mean, *variance;
};

float* pointer(const Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<float>() : nullptr;
}

const float* values(const Tensor& tensor) {
  return tensor.const_data_ptr<float>();
}

Tensor channelsInnermost(const Tensor& x) {
  return x.contiguous(x.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
}

cpu::NormShape shapeOf(const Tensor& x) {
  return {x.numel() / x.size(1), x.size(1)};
}

// The batch's mean and variance, which the running ones follow.
std::pair<Tensor, Tensor> followBatch(Pool& pool, double momentum, const Tensor& x, const Running& running) {
  const cpu::NormShape shape = shapeOf(x);
  const Tensor mean = at::empty({shape.channels}, x.options());
  const Tensor variance = at::empty_like(mean);
  cpu::channelMoments(pool, shape, values(x), pointer(mean), pointer(variance));
  const auto rows = static_cast<double>(shape.rows);
  running.mean->mul_(1 - momentum).add_(mean, momentum);
  running.variance->mul_(1 - momentum).add_(variance, momentum * rows / (rows - 1));
  return {mean, variance};
}

struct Normalized {
  Tensor y, slope, mean, inverse;
};

Normalized evaluate(Pool& pool, const BatchNormSettings& settings, const Tensor& x, const Tensor& weight,
                    const Tensor& bias, const Running& running, bool keepsSlope) {
  const auto [mean, variance] = settings.isOfBatch ? followBatch(pool, settings.momentum, x, running)
                                                   : std::pair{running.mean->clone(), *running.variance};
  Normalized made{at::empty_like(x), {}, mean, variance.add(settings.epsilon).rsqrt_()};
  if (keepsSlope && keptOf(settings.activation) == KeptOf::kSlope) made.slope = at::empty_like(x);
  cpu::normalize(pool, shapeOf(x),
                 {values(mean), values(made.inverse), values(weight), values(bias), settings.activation},
                 values(x), pointer(made.y), pointer(made.slope));
  return made;
}

class BatchNorm : public torch::autograd::Function<BatchNorm> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight,
                               const Tensor& bias, const BatchNormSettings* settings, const Running* running,
                               Pool* pool) {
    const Tensor input = channelsInnermost(x);
    const Normalized made = evaluate(*pool, *settings, input, weight, bias, *running, true);
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
    cpu::normalizeBackward(*reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt()), shapeOf(x),
                           {values(mean), values(inverse), values(weight), nullptr, activation},
                           ctx->saved_data["isOfBatch"].toBool(), values(x), values(saved[1]), values(dy),
                           beside.defined() ? values(beside) : nullptr,
                           {pointer(dx), pointer(dweight), pointer(dbias)});
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
