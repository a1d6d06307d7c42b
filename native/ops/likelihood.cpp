#include "ops/likelihood.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <functional>
#include <numeric>
#include <utility>

#include "base/floats.h"
#include "cpu/pool.h"
#include "cpu/ranges.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kLikelihoodRows = 4;

// What a call asks for.
struct Losses {
  Pool* pool;
  // The loss of rows of x and y; its derivatives in y go to `gradient` unless that is null.
  std::function<double(const float* x, const float* y, float* gradient)> ofRow;
};

// The losses; their derivatives in y go to `gradient` unless it is undefined.
Tensor evaluate(const Losses& losses, const Tensor& x, const Tensor& y, const Tensor& gradient) {
  const Tensor each = at::empty({y.size(0)}, y.options());
  const float* xs = x.const_data_ptr<float>();
  const float* ys = y.const_data_ptr<float>();
  float* slopes = gradient.defined() ? floats(gradient) : nullptr;
  float* to = floats(each);
  const int64_t stride = x.size(1), columns = y.size(1);
  forRanges(*losses.pool, y.size(0), kLikelihoodRows, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      float* slope = slopes == nullptr ? nullptr : slopes + i * columns;
      to[i] = static_cast<float>(losses.ofRow(xs + i * stride, ys + i * columns, slope));
    }
  });
  return each;
}

// Each row of `values` times its factor.
Tensor scaledRows(Pool& pool, const Tensor& values, const Tensor& factors) {
  const int64_t columns = values.size(1);
  const Tensor scaled = at::empty_like(values);
  const float* from = values.const_data_ptr<float>();
  const float* each = factors.const_data_ptr<float>();
  float* to = floats(scaled);
  forRanges(pool, values.size(0), kLikelihoodRows, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
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

Tensor lossesOf(const Losses& losses, const Tensor& x, const Tensor& y) {
  const Tensor from = x.contiguous(), parameters = y.contiguous();
  if (!c10::GradMode::is_enabled() || !y.requires_grad()) return evaluate(losses, from, parameters, {});
  return RowLosses::apply(from, parameters, &losses);
}

struct ScaledLosses {
  Pool* pool;
  cpu::ScaleTerms terms;
};

// The losses, and the precisions by which they were taken.
std::pair<Tensor, Tensor> evaluateScaled(const ScaledLosses& asked, const Tensor& x, const Tensor& y,
                                         const Tensor& logScales) {
  const int64_t columns = y.size(1);
  const cpu::ScaledRow<float> ofRow = cpu::scaledRowOf<float>(asked.terms.kind);
  const Tensor precisions = at::empty({columns}, y.options());
  float* precision = floats(precisions);
  const double rest = cpu::fillPrecisions(asked.terms, logScales.const_data_ptr<float>(), logScales.numel(),
                                          columns, precision);
  const Losses losses{
      asked.pool, [&](const float* xs, const float* ys, float* /*gradient*/) {
        return ofRow(asked.terms.sigmoid, precision, xs, ys, columns, 1.0f, nullptr, nullptr) + rest;
      }};
  return {evaluate(losses, x, y, {}), precisions};
}

// The derivatives wait for the losses' own, by which they are multiplied: what they are made of is cheaper to
// take again than to keep.
class ScaledRowLosses : public torch::autograd::Function<ScaledRowLosses> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& y, const Tensor& logScales,
                        const ScaledLosses* asked) {
    const auto [losses, precisions] = evaluateScaled(*asked, x, y, logScales);
    ctx->save_for_backward({x, y, precisions});
    ctx->saved_data["pool"] = reinterpret_cast<int64_t>(asked->pool);
    ctx->saved_data["kind"] = static_cast<int64_t>(asked->terms.kind);
    ctx->saved_data["sigmoid"] = asked->terms.sigmoid;
    ctx->saved_data["scales"] = logScales.numel();
    return losses;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    auto& pool = *reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt());
    const auto kind = static_cast<LikelihoodKind>(ctx->saved_data["kind"].toInt());
    const cpu::ScaleTerms terms = cpu::scaleTermsOf(kind, ctx->saved_data["sigmoid"].toBool());
    const Tensor factors = gradients[0].contiguous();
    const Tensor ofY = at::empty_like(saved[1]);
    const Tensor parts = differentiate(pool, terms, saved, factors, ofY);
    return {Tensor(), ofY, ofLogScales(terms, factors, parts, ctx->saved_data["scales"].toInt()), Tensor()};
  }

 private:
  static constexpr int64_t kRange = 16;  // rows

  // Writes the gradient in y, and returns what each range of rows has of the columns' sums.
  static Tensor differentiate(Pool& pool, const cpu::ScaleTerms& terms, const variable_list& saved,
                              const Tensor& factors, const Tensor& ofY) {
    const int64_t rows = ofY.size(0), columns = ofY.size(1);
    const cpu::ScaledRow<float> ofRow = cpu::scaledRowOf<float>(terms.kind);
    const float *x = saved[0].const_data_ptr<float>(), *y = saved[1].const_data_ptr<float>(),
                *precision = saved[2].const_data_ptr<float>(), *each = factors.const_data_ptr<float>();
    const Tensor parts = at::zeros({(rows + kRange - 1) / kRange, columns}, ofY.options());
    float *to = floats(ofY), *sums = floats(parts);
    forRanges(pool, rows, kRange, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const int64_t at = i * columns;
        ofRow(terms.sigmoid, precision, x + at, y + at, columns, each[i], to + at,
              sums + first / kRange * columns);
      }
    });
    return parts;
  }

  static Tensor ofLogScales(const cpu::ScaleTerms& terms, const Tensor& factors, const Tensor& parts,
                            int64_t scales) {
    const float* each = factors.const_data_ptr<float>();
    const double weight = std::accumulate(each, each + factors.numel(), 0.0);
    const Tensor slopes = at::empty({scales}, parts.options());
    cpu::logScaleSlopes<float>(terms, weight,
                               {parts.const_data_ptr<float>(), parts.size(0), parts.size(1), parts.size(1)},
                               scales, floats(slopes));
    return slopes;
  }
};

}  // namespace

Tensor rowLosses(const Context& context, LikelihoodKind kind, const cpu::LikelihoodTerms& terms,
                 const Tensor& x, const Tensor& y) {
  const cpu::RowLoss<float> ofRow = cpu::rowLossOf<float>(kind);
  const int64_t columns = y.size(1);
  return lossesOf(
      {context.pool, [&](const float* xs, const float* ys,
                         float* gradient) { return ofRow(terms, xs, ys, columns, 1.0f, gradient); }},
      x, y);
}

Tensor scaledRowLosses(const Context& context, const cpu::ScaleTerms& terms, const Tensor& x, const Tensor& y,
                       const Tensor& logScales) {
  const ScaledLosses asked{context.pool, terms};
  const Tensor from = x.contiguous(), locations = y.contiguous();
  if (c10::GradMode::is_enabled() && (y.requires_grad() || logScales.requires_grad())) {
    return ScaledRowLosses::apply(from, locations, logScales, &asked);
  }
  return evaluateScaled(asked, from, locations, logScales).first;
}

Tensor predictedRowLosses(const Context& context, const cpu::ScaleTerms& terms, const Tensor& x,
                          const Tensor& y) {
  const cpu::PredictedRow<float> ofRow = cpu::predictedRowOf<float>(terms.kind);
  const int64_t columns = x.size(1);
  return lossesOf(
      {context.pool, [&](const float* xs, const float* ys,
                         float* gradient) { return ofRow(terms, xs, ys, columns, 1.0f, gradient); }},
      x, y);
}

}  // namespace torchvae
