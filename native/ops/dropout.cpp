#include "ops/dropout.h"

#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "cpu/ranges.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct DropoutRule {
  double p;
  Draw draw;
  int64_t first;
  Pool* pool;
};

class DropoutFunction : public torch::autograd::Function<DropoutFunction> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const DropoutRule& rule) {
    const Tensor y = at::empty_like(x), factors = at::empty_like(x);
    const auto limit = static_cast<float>(rule.p), kept = static_cast<float>(1 / (1 - rule.p));
    const float* from = x.const_data_ptr<float>();
    float *to = y.mutable_data_ptr<float>(), *factor = factors.mutable_data_ptr<float>();
    forRanges(*rule.pool, x.numel(), kValueRange, [&](int64_t first, int64_t last) {
      fillUniform(rule.draw, rule.first + first, factor + first, last - first);
      for (int64_t i = first; i < last; ++i) {
        factor[i] = awayFromEnds(factor[i]) >= limit ? kept : 0;
        to[i] = from[i] * factor[i];
      }
    });
    ctx->save_for_backward({factors});
    ctx->saved_data["pool"] = reinterpret_cast<int64_t>(rule.pool);
    return y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const Tensor factors = ctx->get_saved_variables()[0], dy = gradients[0].contiguous();
    auto* pool = reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt());
    const Tensor dx = at::empty_like(factors);
    const float *from = dy.const_data_ptr<float>(), *factor = factors.const_data_ptr<float>();
    float* to = dx.mutable_data_ptr<float>();
    forRanges(*pool, dx.numel(), kValueRange, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) to[i] = from[i] * factor[i];
    });
    return {dx, Tensor()};
  }
};

}  // namespace

Tensor dropout(const Context& context, const Tensor& x, double p, const Draw& draw, int64_t first) {
  return DropoutFunction::apply(x, DropoutRule{p, draw, first, context.pool});
}

}  // namespace torchvae
