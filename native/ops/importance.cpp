#include "ops/importance.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/logsumexp.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "cpu/importance.h"
#include "ops/plain.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class BoundFunction : public torch::autograd::Function<BoundFunction> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& reconstruction, const Tensor& logQ,
                               const Tensor& logPrior, int64_t k) {
    const Tensor costs = reconstruction.contiguous(), q = logQ.contiguous(), p = logPrior.contiguous();
    const int64_t rows = costs.size(0) / k;
    const auto ofExamples = [&] { return at::empty({rows}, costs.options()); };
    const Tensor cost = ofExamples(), mean = ofExamples(), rate = ofExamples();
    const Tensor shares = at::empty_like(costs);
    for (int64_t i = 0; i < rows; ++i) {
      const cpu::ImportanceBound example = cpu::importanceBound(
          costs.const_data_ptr<float>() + i * k, q.const_data_ptr<float>() + i * k,
          p.const_data_ptr<float>() + i * k, k, shares.mutable_data_ptr<float>() + i * k);
      cost.mutable_data_ptr<float>()[i] = static_cast<float>(example.cost);
      mean.mutable_data_ptr<float>()[i] = static_cast<float>(example.reconstruction);
      rate.mutable_data_ptr<float>()[i] = static_cast<float>(example.rate);
    }
    ctx->mark_non_differentiable({mean, rate});
    ctx->set_materialize_grads(false);
    ctx->save_for_backward({shares});
    ctx->saved_data["draws"] = k;
    return {cost, mean, rate};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    if (!gradients[0].defined()) return {Tensor(), Tensor(), Tensor(), Tensor()};
    const Tensor shares = ctx->get_saved_variables()[0], gradient = gradients[0].contiguous();
    const int64_t k = ctx->saved_data["draws"].toInt();
    const Tensor ofCost = at::empty_like(shares), ofPrior = at::empty_like(shares);
    const float* share = shares.const_data_ptr<float>();
    for (int64_t i = 0; i < shares.size(0); ++i) {
      const float part = share[i] * gradient.const_data_ptr<float>()[i / k];
      ofCost.mutable_data_ptr<float>()[i] = part;
      ofPrior.mutable_data_ptr<float>()[i] = -part;
    }
    return {ofCost, ofCost, ofPrior, Tensor()};
  }
};

}  // namespace

ImportanceBound importanceBound(const Context& context, int64_t k, const Tensor& reconstruction,
                                const Tensor& logQ, const Tensor& logPrior) {
  if (PlainOperations::served(context)) {
    const variable_list made = BoundFunction::apply(reconstruction, logQ, logPrior, k);
    return {made[0], made[1], made[2]};
  }
  const Tensor costs = reconstruction.view({-1, k}), rate = (logQ - logPrior).view({-1, k});
  const Tensor bound = at::logsumexp(-costs - rate, {1}) - std::log(static_cast<double>(k));
  return {-bound, costs.mean(1).detach(), rate.mean(1).detach()};
}

Tensor repeatedRows(const Context& context, const Tensor& x, int64_t k) {
  const Tensor rows = x.detach();
  if (!PlainOperations::served(context)) return rows.repeat_interleave(k, 0);
  const Tensor from = rows.contiguous(), to = at::empty({x.size(0) * k, x.size(1)}, x.options());
  cpu::repeatRows(*context.pool, from.const_data_ptr<float>(), x.size(0), x.size(1), k,
                  to.mutable_data_ptr<float>());
  return to;
}

}  // namespace torchvae
