#include "ops/gaussian_draw.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <numbers>

#include "cpu/gaussian_draw.h"
#include "ops/plain.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

cpu::GaussianHead viewOf(const Tensor& head, const Tensor& noise) {
  return {head.size(0), noise.size(0) / head.size(0), noise.size(1), head.const_data_ptr<float>(),
          head.size(1), noise.const_data_ptr<float>()};
}

class DrawFunction : public torch::autograd::Function<DrawFunction> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& head, const Tensor& noise, Pool* pool) {
    const Tensor q = head.contiguous(), drawn = noise.contiguous();
    const Tensor z = at::empty_like(drawn),
                 divergence = at::empty({q.size(0), drawn.size(1)}, drawn.options()),
                 logQ = at::empty({drawn.size(0)}, drawn.options());
    cpu::drawGaussian(*pool, viewOf(q, drawn), z.mutable_data_ptr<float>(),
                      divergence.mutable_data_ptr<float>(), logQ.mutable_data_ptr<float>());
    ctx->set_materialize_grads(false);
    ctx->save_for_backward({q, drawn});
    ctx->saved_data["pool"] = reinterpret_cast<int64_t>(pool);
    return {z, divergence, logQ};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    auto* pool = reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt());
    variable_list whole;
    for (const Tensor& gradient : gradients) {
      whole.push_back(gradient.defined() ? gradient.contiguous() : gradient);
    }
    const auto values = [&](size_t i) {
      return whole[i].defined() ? whole[i].const_data_ptr<float>() : nullptr;
    };
    const Tensor to = at::empty_like(saved[0]);
    cpu::drawGaussianBackward(*pool, viewOf(saved[0], saved[1]), {values(0), values(1), values(2)},
                              to.mutable_data_ptr<float>());
    return {to, Tensor(), Tensor()};
  }
};

}  // namespace

GaussianDraw drawGaussian(const Context& context, const Tensor& head, const Tensor& noise) {
  if (PlainOperations::served(context)) {
    const variable_list made = DrawFunction::apply(head, noise, context.pool);
    return {made[0], made[1], made[2]};
  }
  const auto each = head.chunk(2, 1);
  const Tensor divergence = (each[0].square() + each[1].exp() - 1.0 - each[1]) * 0.5;
  const int64_t count = noise.size(0) / head.size(0);
  const auto parts = count == 1 ? each : head.repeat_interleave(count, 0).chunk(2, 1);
  const Tensor &mean = parts[0], &logVariance = parts[1];
  const Tensor z = mean + (logVariance * 0.5).exp() * noise;
  const double constant = std::log(2 * std::numbers::pi);
  return {z, divergence,
          (((z - mean).square() * (-logVariance).exp() + logVariance + constant) * -0.5).sum(1)};
}

}  // namespace torchvae
