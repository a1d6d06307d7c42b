#include "ops/means.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <numeric>

#include "ops/plain.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

double sumOf(const float* values, int64_t count) {
  return std::accumulate(values, values + count, 0.0);
}

class SumOfMeans : public torch::autograd::Function<SumOfMeans> {
 public:
  static Tensor forward(AutogradContext* ctx, at::TensorList values, const std::vector<double>* weights) {
    double sum = 0;
    std::vector<int64_t> widths;
    for (size_t i = 0; i < values.size(); ++i) {
      const Tensor each = values[i].contiguous();
      sum += (*weights)[i] * sumOf(each.const_data_ptr<float>(), each.numel());
      widths.push_back(each.dim() == 2 ? each.size(1) : 0);
    }
    const int64_t rows = values[0].size(0);
    ctx->saved_data["rows"] = rows;
    ctx->saved_data["widths"] = widths;
    ctx->saved_data["weights"] = *weights;
    const Tensor loss = at::empty({}, values[0].options());
    *loss.mutable_data_ptr<float>() = static_cast<float>(sum / static_cast<double>(rows));
    return loss;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const int64_t rows = ctx->saved_data["rows"].toInt();
    const std::vector<int64_t> widths = ctx->saved_data["widths"].toIntVector();
    const std::vector<double> weights = ctx->saved_data["weights"].toDoubleVector();
    const double scale = *gradients[0].const_data_ptr<float>() / static_cast<double>(rows);
    variable_list made(widths.size() + 1);
    for (size_t i = 0; i < widths.size(); ++i) {
      if (!ctx->needs_input_grad(i)) continue;
      const auto options = gradients[0].options();
      made[i] = widths[i] == 0 ? at::empty({rows}, options) : at::empty({rows, widths[i]}, options);
      std::fill_n(made[i].mutable_data_ptr<float>(), made[i].numel(), static_cast<float>(scale * weights[i]));
    }
    return made;
  }
};

}  // namespace

Tensor sumOfMeans(const Context& context, const std::vector<Averaged>& terms) {
  if (PlainOperations::served(context)) {
    variable_list values;
    std::vector<double> weights;
    for (const Averaged& term : terms) {
      values.push_back(term.values);
      weights.push_back(term.weight.defined() ? *term.weight.const_data_ptr<float>() : 1.0);
    }
    return SumOfMeans::apply(at::TensorList(values), &weights);
  }
  Tensor sum;
  for (const Averaged& term : terms) {
    Tensor mean = (term.values.dim() == 2 ? term.values.sum(1) : term.values).mean();
    if (term.weight.defined()) mean = mean * term.weight;
    sum = sum.defined() ? sum + mean : mean;
  }
  return sum;
}

Tensor exampleSums(const Context& context, const Tensor& values) {
  const Tensor each = values.detach();
  if (!PlainOperations::served(context)) return each.sum(1);
  const Tensor whole = each.contiguous(), sums = at::empty({each.size(0)}, each.options());
  const float* from = whole.const_data_ptr<float>();
  float* to = sums.mutable_data_ptr<float>();
  const int64_t columns = whole.size(1);
  for (int64_t i = 0; i < whole.size(0); ++i) {
    to[i] = static_cast<float>(sumOf(from + i * columns, columns));
  }
  return sums;
}

}  // namespace torchvae
