#include "ops/likelihood.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "cpu/pool.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kTileRows = 4;

// What a call asks for.
struct Losses {
  Pool* pool;
  cpu::RowLoss<float> ofRow;
  cpu::LikelihoodTerms terms;
};

// The losses; their derivatives in y go to `gradient` unless it is undefined.
Tensor evaluate(const Losses& losses, const Tensor& x, const Tensor& y, const Tensor& gradient) {
  const auto [rows, columns] = std::pair{y.size(0), y.size(1)};
  const Tensor each = at::empty({rows}, y.options());
  const float* xs = x.const_data_ptr<float>();
  const float* ys = y.const_data_ptr<float>();
  float* slopes = gradient.defined() ? gradient.mutable_data_ptr<float>() : nullptr;
  float* to = each.mutable_data_ptr<float>();
  losses.pool->run((rows + kTileRows - 1) / kTileRows, [&, rows = rows, columns = columns](int64_t tile) {
    const int64_t last = std::min(rows, (tile + 1) * kTileRows);
    for (int64_t i = tile * kTileRows; i < last; ++i) {
      const int64_t at = i * columns;
      to[i] = static_cast<float>(losses.ofRow(losses.terms, xs + at, ys + at, columns, 1.0f,
                                              slopes == nullptr ? nullptr : slopes + at));
    }
  });
  return each;
}

// Each row of `values` times its factor.
Tensor scaledRows(Pool& pool, const Tensor& values, const Tensor& factors) {
  const auto [rows, columns] = std::pair{values.size(0), values.size(1)};
  const Tensor scaled = at::empty_like(values);
  const float* from = values.const_data_ptr<float>();
  const float* each = factors.const_data_ptr<float>();
  float* to = scaled.mutable_data_ptr<float>();
  pool.run((rows + kTileRows - 1) / kTileRows, [&, rows = rows, columns = columns](int64_t tile) {
    const int64_t last = std::min(rows, (tile + 1) * kTileRows);
    for (int64_t i = tile * kTileRows; i < last; ++i) {
      for (int64_t j = i * columns; j < (i + 1) * columns; ++j) to[j] = from[j] * each[i];
    }
  });
  return scaled;
}

class RowLosses : public torch::autograd::Function<RowLosses> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& y, const Losses* losses) {
    const Tensor gradient = at::empty_like(y);
    const Tensor each = evaluate(*losses, x, y, gradient);
    ctx->save_for_backward({gradient});
    ctx->saved_data["pool"] = reinterpret_cast<int64_t>(losses->pool);
    return each;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    auto* pool = reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt());
    return {Tensor(), scaledRows(*pool, ctx->get_saved_variables()[0], gradients[0].contiguous()), Tensor()};
  }
};

}  // namespace

Tensor rowLosses(const Context& context, LikelihoodKind kind, const cpu::LikelihoodTerms& terms,
                 const Tensor& x, const Tensor& y) {
  const Losses losses{context.pool, cpu::rowLossOf<float>(kind), terms};
  const Tensor from = x.contiguous(), parameters = y.contiguous();
  if (!c10::GradMode::is_enabled() || !y.requires_grad()) return evaluate(losses, from, parameters, {});
  return RowLosses::apply(from, parameters, &losses);
}

}  // namespace torchvae
