#include "ops/quantize.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "cpu/codebook.h"
#include "ops/plain.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The constants of a call.
struct Choice {
  const Tensor& entries;
  const Tensor& nearest;
  double commitment;
};

class QuantizeFunction : public torch::autograd::Function<QuantizeFunction> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& vectors, const Choice* choice,
                               Pool* pool) {
    const Tensor from = vectors.contiguous(), entries = choice->entries.contiguous();
    const int64_t examples = from.size(0), size = entries.size(1), positions = from.size(1) / size;
    const Tensor z = at::empty_like(from), difference = at::empty_like(from),
                 penalty = at::empty({examples}, from.options());
    const cpu::Codebook book{examples * positions, entries.size(0), size, from.const_data_ptr<float>(),
                             entries.const_data_ptr<float>()};
    float* penalties = penalty.mutable_data_ptr<float>();
    cpu::quantize(*pool, book, choice->nearest.const_data_ptr<int64_t>(), positions,
                  {z.mutable_data_ptr<float>(), difference.mutable_data_ptr<float>(), penalties});
    const auto commitment = static_cast<float>(choice->commitment);
    for (int64_t i = 0; i < examples; ++i) penalties[i] *= commitment;
    ctx->save_for_backward({difference});
    ctx->saved_data["commitment"] = choice->commitment;
    ctx->saved_data["pool"] = reinterpret_cast<int64_t>(pool);
    return {z, penalty};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const Tensor difference = ctx->get_saved_variables()[0];
    auto* pool = reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt());
    const Tensor dz = gradients[0].contiguous(), dPenalty = gradients[1].contiguous();
    const Tensor dDistance = at::empty_like(dPenalty), dVectors = at::empty_like(dz);
    const auto commitment = static_cast<float>(ctx->saved_data["commitment"].toDouble());
    const float* from = dPenalty.const_data_ptr<float>();
    float* to = dDistance.mutable_data_ptr<float>();
    for (int64_t i = 0; i < dz.size(0); ++i) to[i] = commitment * from[i];
    cpu::quantizeBackward(*pool, dz.size(0), dz.size(1), difference.const_data_ptr<float>(),
                          dz.const_data_ptr<float>(), to, dVectors.mutable_data_ptr<float>());
    return {dVectors, Tensor(), Tensor()};
  }
};

}  // namespace

Quantized quantize(const Context& context, const Tensor& vectors, const Tensor& entries,
                   const Tensor& nearest, double commitment) {
  if (PlainOperations::served(context)) {
    const Choice choice{entries, nearest, commitment};
    const variable_list made = QuantizeFunction::apply(vectors, &choice, context.pool);
    return {made[0], made[1]};
  }
  const Tensor chosen = entries.index_select(0, nearest).view(vectors.sizes());
  return {vectors + (chosen - vectors).detach(), (vectors - chosen).square().sum(1) * commitment};
}

}  // namespace torchvae
