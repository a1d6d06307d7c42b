#include "ops/categorical.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/log_softmax.h>
#include <torch/csrc/autograd/custom_function.h>

#include "cpu/categorical.h"
#include "ops/indices.h"
#include "ops/plain.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

cpu::Categories shapeOf(const Tensor& chosen, const Tensor& y) {
  return {y.size(0), y.size(1) / chosen.size(1), chosen.size(1)};
}

struct Losses {
  Tensor each, logSums;
};

Losses evaluate(Pool& pool, const Tensor& chosen, const Tensor& y) {
  Losses losses{at::empty({y.size(0)}, y.options()), at::empty(chosen.sizes(), y.options())};
  cpu::categoricalLosses(pool, shapeOf(chosen, y), chosen.const_data_ptr<int32_t>(),
                         y.const_data_ptr<float>(), losses.logSums.mutable_data_ptr<float>(),
                         losses.each.mutable_data_ptr<float>());
  return losses;
}

class CategoricalLosses : public torch::autograd::Function<CategoricalLosses> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& y, const Tensor& chosen, Pool* pool) {
    const Tensor logits = y.contiguous();
    const Losses losses = evaluate(*pool, chosen, logits);
    ctx->save_for_backward({logits, chosen, losses.logSums});
    ctx->saved_data["pool"] = reinterpret_cast<int64_t>(pool);
    return losses.each;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor &y = saved[0], &chosen = saved[1], &logSums = saved[2];
    const Tensor dLosses = gradients[0].contiguous(), dy = at::empty_like(y);
    cpu::categoricalBackward(*reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt()), shapeOf(chosen, y),
                             chosen.const_data_ptr<int32_t>(), y.const_data_ptr<float>(),
                             logSums.const_data_ptr<float>(), dLosses.const_data_ptr<float>(),
                             dy.mutable_data_ptr<float>());
    return {dy, Tensor(), Tensor()};
  }
};

Tensor plainLosses(const Tensor& x, double scale, const Tensor& y) {
  const int64_t places = x.size(1);
  const Tensor chosen = (x * scale).round().to(c10::kLong).unsqueeze(1);
  const Tensor logits = y.view({y.size(0), y.size(1) / places, places});
  return -logits.log_softmax(1).gather(1, chosen).squeeze(1).sum(1);
}

}  // namespace

Tensor categoricalLosses(const Context& context, const Tensor& x, double scale, const Tensor& y) {
  if (!PlainOperations::served(context)) return plainLosses(x, scale, y);
  const Tensor chosen = indicesOf(x, static_cast<float>(scale), y.size(1) / x.size(1));
  if (!c10::GradMode::is_enabled()) return evaluate(*context.pool, chosen, y.contiguous()).each;
  return CategoricalLosses::apply(y, chosen, context.pool);
}

}  // namespace torchvae
