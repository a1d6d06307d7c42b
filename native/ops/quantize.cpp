#include "ops/quantize.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>

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
  int64_t positions;
};

class QuantizeFunction : public torch::autograd::Function<QuantizeFunction> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& vectors, const Choice* choice,
                               Pool* pool) {
    const Tensor from = vectors.contiguous(), entries = choice->entries.contiguous();
    const int64_t examples = from.size(0) / choice->positions, size = choice->positions * from.size(1);
    const Tensor z = at::empty({examples, size}, from.options()), difference = at::empty_like(z),
                 distance = at::empty({examples}, from.options());
    const cpu::Codebook book{from.size(0), entries.size(0), from.size(1), from.const_data_ptr<float>(),
                             entries.const_data_ptr<float>()};
    cpu::quantize(*pool, book, choice->nearest.const_data_ptr<int64_t>(), choice->positions,
                  {z.mutable_data_ptr<float>(), difference.mutable_data_ptr<float>(),
                   distance.mutable_data_ptr<float>()});
    ctx->save_for_backward({difference});
    ctx->saved_data["size"] = from.size(1);
    ctx->saved_data["pool"] = reinterpret_cast<int64_t>(pool);
    return {z, distance};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const Tensor difference = ctx->get_saved_variables()[0];
    auto* pool = reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt());
    const Tensor dz = gradients[0].contiguous(), dDistance = gradients[1].contiguous();
    const Tensor dVectors = at::empty(
        {dz.numel() / ctx->saved_data["size"].toInt(), ctx->saved_data["size"].toInt()}, dz.options());
    cpu::quantizeBackward(*pool, dz.size(0), dz.size(1), difference.const_data_ptr<float>(),
                          dz.const_data_ptr<float>(), dDistance.const_data_ptr<float>(),
                          dVectors.mutable_data_ptr<float>());
    return {dVectors, Tensor(), Tensor()};
  }
};

}  // namespace

Quantized quantize(const Context& context, const Tensor& vectors, const Tensor& entries,
                   const Tensor& nearest, int64_t positions) {
  if (PlainOperations::served(context)) {
    const Choice choice{entries, nearest, positions};
    const variable_list made = QuantizeFunction::apply(vectors, &choice, context.pool);
    return {made[0], made[1]};
  }
  const Tensor chosen = entries.index_select(0, nearest);
  const std::array<int64_t, 2> sizes{vectors.size(0) / positions, positions * vectors.size(1)};
  return {(vectors + (chosen - vectors).detach()).view(sizes),
          (vectors - chosen).square().view(sizes).sum(1)};
}

}  // namespace torchvae
