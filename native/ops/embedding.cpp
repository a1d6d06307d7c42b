#include "ops/embedding.h"

#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include "cpu/embedding.h"
#include "ops/indices.h"
#include "ops/plain.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

cpu::Table tableOf(const Tensor& vectors) {
  return {vectors.size(0), vectors.size(1)};
}

Tensor gather(Pool& pool, const Tensor& tokens, const Tensor& vectors) {
  const Tensor shown = at::empty({tokens.size(0), tokens.size(1) * vectors.size(1)}, vectors.options());
  cpu::gatherRows(pool, tableOf(vectors), vectors.const_data_ptr<float>(), tokens.const_data_ptr<int32_t>(),
                  tokens.numel(), shown.mutable_data_ptr<float>());
  return shown;
}

class EmbeddingFunction : public torch::autograd::Function<EmbeddingFunction> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& vectors, const Tensor& tokens, Pool* pool) {
    ctx->save_for_backward({tokens});
    // Other operations add to it before the backward pass, which autograd forbids for a saved variable.
    ctx->saved_data["gradient"] = vectors.grad();
    ctx->saved_data["pool"] = reinterpret_cast<int64_t>(pool);
    return gather(*pool, tokens, vectors);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    if (!ctx->needs_input_grad(0)) return {Tensor(), Tensor(), Tensor()};
    const Tensor tokens = ctx->get_saved_variables()[0], from = gradients[0].contiguous();
    const Tensor to = ctx->saved_data["gradient"].toTensor();
    auto* pool = reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt());
    cpu::addToRows(*pool, tableOf(to), from.const_data_ptr<float>(), tokens.const_data_ptr<int32_t>(),
                   tokens.numel(), to.mutable_data_ptr<float>());
    return {Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor embedding(const Context& context, const Tensor& x, const Tensor& vectors) {
  if (!PlainOperations::served(context)) {
    return at::embedding(vectors, x.round().to(c10::kLong)).flatten(1);
  }
  const Tensor tokens = indicesOf(x, 1, vectors.size(0));
  if (!c10::GradMode::is_enabled()) return gather(*context.pool, tokens, vectors);
  return EmbeddingFunction::apply(vectors, tokens, context.pool);
}

}  // namespace torchvae
