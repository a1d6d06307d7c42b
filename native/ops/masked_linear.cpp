#include "ops/masked_linear.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linear.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "cpu/gemm.h"
#include "cpu/pool.h"
#include "cpu/product.h"
#include "cpu/transpose.h"
#include "ops/plain.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

float* pointer(const Tensor& tensor) {
  return tensor.mutable_data_ptr<float>();
}
const float* values(const Tensor& tensor) {
  return tensor.const_data_ptr<float>();
}

// Calls body(first, count) for ranges of rows.
template <class Body>
void forRows(Pool& pool, int64_t rows, const Body& body) {
  constexpr int64_t kRange = 32;
  pool.run((rows + kRange - 1) / kRange,
           [&](int64_t tile) { body(tile * kRange, std::min(kRange, rows - tile * kRange)); });
}

class MaskedLinear : public torch::autograd::Function<MaskedLinear> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Tensor* mask, Pool* pool) {
    const Tensor input = x.contiguous(), masked = weight * *mask;
    const auto [rows, in, out] = std::tuple{input.size(0), input.size(1), masked.size(0)};
    const Tensor columns = at::empty({in, out}, masked.options());
    transpose(values(masked), in, out, in, pointer(columns), out);
    const Tensor y = at::empty({rows, out}, masked.options());
    const float* added = values(bias);
    forRows(*pool, rows, [&, in = in, out = out](int64_t first, int64_t count) {
      float* to = pointer(y) + first * out;
      cpu::multiply(count, out, in, values(input) + first * in, in, values(columns), out, to, out);
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t j = 0; j < out; ++j) to[i * out + j] += added[j];
      }
    });
    ctx->save_for_backward({input, masked, *mask});
    ctx->saved_data["pool"] = reinterpret_cast<int64_t>(pool);
    return y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor &input = saved[0], &masked = saved[1], &mask = saved[2];
    auto* pool = reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt());
    const Tensor dy = gradients[0].contiguous();
    const auto [rows, in, out] = std::tuple{input.size(0), input.size(1), masked.size(0)};
    Tensor dx;
    if (ctx->needs_input_grad(0)) {
      dx = at::empty_like(input);
      forRows(*pool, rows, [&, in = in, out = out](int64_t first, int64_t count) {
        cpu::multiply(count, in, out, values(dy) + first * out, out, values(masked), in,
                      pointer(dx) + first * in, in);
      });
    }
    const Tensor dweight = at::empty_like(masked);
    forRows(*pool, out, [&, rows = rows, in = in, out = out](int64_t first, int64_t count) {
      const int64_t at = first * in;
      float* to = pointer(dweight) + at;
      cpu::multiplyTransposed(count, in, rows, values(dy) + first, out, values(input), in, to, in);
      const float* kept = values(mask) + at;
      for (int64_t i = 0; i < count * in; ++i) to[i] *= kept[i];
    });
    return {dx, dweight, dy.sum(0), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor maskedLinear(const Context& context, const Tensor& x, const Tensor& weight, const Tensor& mask,
                    const Tensor& bias) {
  if (context.panels() && PlainOperations::served(context)) {
    return MaskedLinear::apply(x, weight, bias, &mask, context.pool);
  }
  return at::linear(x, weight * mask, bias);
}

}  // namespace torchvae
