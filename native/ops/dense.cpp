#include "ops/dense.h"

#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "base/floats.h"
#include "cpu/activation.h"
#include "cpu/dense.h"
#include "cpu/panels.h"
#include "cpu/ranges.h"
#include "cpu/slope.h"
#include "cpu/transpose.h"
#include "cpu/weights.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class DenseFunction : public torch::autograd::Function<DenseFunction> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& /*leaf*/, const DenseOp* op,
                        int64_t activation) {
    const Tensor input = x.contiguous();
    const auto kind = static_cast<ActivationKind>(activation);
    const DenseOp::Output output = op->forward(input, kind, true, !ctx->needs_input_grad(0));
    ctx->save_for_backward({input, output.slope.defined() ? output.slope : output.y});
    ctx->saved_data["op"] = reinterpret_cast<int64_t>(op);
    ctx->saved_data["activation"] = activation;
    return output.y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const auto* op = reinterpret_cast<const DenseOp*>(ctx->saved_data["op"].toInt());
    const auto kind = static_cast<ActivationKind>(ctx->saved_data["activation"].toInt());
    Tensor dx = op->backward(saved[0], saved[1], gradients[0].contiguous(), kind, ctx->needs_input_grad(0),
                             ctx->needs_input_grad(1));
    return {dx, Tensor(), Tensor(), Tensor()};
  }
};

constexpr int64_t kTileRows = 16;

// The gradient before the activation, and its transpose where that is defined.
void passActivation(Pool& pool, ActivationKind activation, const Tensor& kept, const Tensor& dy,
                    const Tensor& before, const Tensor& transposed) {
  const auto [rows, columns] = std::pair{dy.size(0), dy.size(1)};
  forRanges(pool, rows, kTileRows, [&, rows = rows, columns = columns](int64_t first, int64_t last) {
    const int64_t at = first * columns;
    float* to = floats(before) + at;
    if (activation != ActivationKind::kIdentity) {
      cpu::multiplyBySlope(activation, constFloats(dy) + at, constFloats(kept) + at, (last - first) * columns,
                           to);
    }
    if (transposed.defined()) {
      transpose(to, columns, last - first, columns, floats(transposed) + first, rows);
    }
  });
}

}  // namespace

Tensor DenseOp::operator()(const Tensor& x, ActivationKind activation) const {
  if (!c10::GradMode::is_enabled()) return forward(x.contiguous(), activation, false).y;
  return DenseFunction::apply(x, parameters_->leaf, this, static_cast<int64_t>(activation));
}

DenseOp::Output DenseOp::forward(const Tensor& x, ActivationKind activation, bool keepsSlope,
                                 bool isData) const {
  Pool& pool = *context_->pool;
  const cpu::DenseShape shape{x.size(0), slots_.in, slots_.out, x.size(0)};
  Output output{newFloats({shape.rows, slots_.out}), {}};
  if (keepsSlope && keptOf(activation) == KeptOf::kSlope) output.slope = newFloats({shape.rows, slots_.out});
  const cpu::DenseOutput places{floats(output.y), nullptr, floats(output.slope), nullptr};
  const float* w = constFloats(parameters_->values) + slots_.weight.offset;
  const float* bias = constFloats(parameters_->values) + slots_.bias.offset;
  Magnitude magnitude;
  if (isData && slots_.panels && cpu::skipsZeros() &&
      nonzeros_.find(pool, constFloats(x), shape.rows, slots_.in, false)) {
    cpu::sparsePanelForward(pool, shape, activation, constFloats(x), nonzeros_, w, bias, places, magnitude);
    return output;
  }
  const auto multiply = slots_.panels ? cpu::panelForward : cpu::denseForward;
  multiply(pool, shape, activation, constFloats(x), w, bias, places, magnitude);
  return output;
}

Tensor DenseOp::backward(const Tensor& x, const Tensor& kept, const Tensor& dy, ActivationKind activation,
                         bool wantsInput, bool wantsWeights) const {
  Pool& pool = *context_->pool;
  const int64_t rows = x.size(0);
  const bool isRowMajor = context_->panels() && !slots_.panels;
  const bool isLinear = activation == ActivationKind::kIdentity;
  const Tensor before = isLinear ? dy : newFloats(dy.sizes());
  const Tensor transposed = wantsInput && !isRowMajor ? newFloats({slots_.out, rows}) : Tensor();
  if (!isLinear || transposed.defined()) passActivation(pool, activation, kept, dy, before, transposed);
  if (wantsWeights) addWeightGradients(x, before, !wantsInput);
  if (!wantsInput) return {};

  const cpu::DenseShape shape{rows, slots_.in, slots_.out, rows};
  const Tensor dx = newFloats({rows, slots_.in});
  const cpu::InputGradient places{constFloats(x), nullptr, floats(dx), nullptr};
  const float* w = constFloats(parameters_->values) + slots_.weight.offset;
  Magnitude magnitude;
  if (isRowMajor) {
    const Tensor scratch = newFloats({slots_.in * slots_.out});
    cpu::rowMajorInputGradient(pool, shape, ActivationKind::kIdentity, w, constFloats(before), places,
                               floats(scratch), magnitude);
  } else if (slots_.panels) {
    const Tensor scratch = newFloats({cpu::panelPartialSize(pool, slots_.in, rows)});
    cpu::panelInputGradient(pool, shape, ActivationKind::kIdentity, w, constFloats(transposed), places,
                            floats(scratch), magnitude);
  } else {
    cpu::denseInputGradient(pool, shape, ActivationKind::kIdentity, w, constFloats(transposed), places,
                            magnitude);
  }
  return dx;
}

void DenseOp::addWeightGradients(const Tensor& x, const Tensor& before, bool isData) const {
  cpu::WeightProduct product{};
  product.in = slots_.in;
  product.out = slots_.out;
  product.panels = slots_.panels;
  product.weight = slots_.weight.offset;
  product.bias = slots_.bias.offset;
  if (!parameters_->deferred.isShared(product.weight)) {
    parameters_->deferred.add(product, x, before, isData);
    return;
  }
  Pool& pool = *context_->pool;
  const int64_t rows = x.size(0);
  Tensor transposed;
  if (!context_->panels()) {
    transposed = newFloats({slots_.in, rows});
    forRanges(pool, rows, kTileRows, [&](int64_t first, int64_t last) {
      transpose(constFloats(x) + first * slots_.in, slots_.in, last - first, slots_.in,
                floats(transposed) + first, rows);
    });
  }
  product.x = constFloats(x);
  product.xT = transposed.defined() ? constFloats(transposed) : nullptr;
  product.dy = constFloats(before);
  product.rows = product.capacity = rows;
  const int64_t count = slots_.bias.offset - slots_.weight.offset;
  product.weight = 0;
  product.bias = count;
  const Tensor more = at::zeros({count + slots_.out}, x.options());
  cpu::weightGradients(pool, {product}, floats(more));
  float* gradients = floats(parameters_->gradients);
  const auto add = [](const float* from, int64_t n, float* to) {
    for (int64_t i = 0; i < n; ++i) to[i] += from[i];
  };
  add(constFloats(more), count, gradients + slots_.weight.offset);
  add(constFloats(more) + count, slots_.out, gradients + slots_.bias.offset);
}

}  // namespace torchvae
