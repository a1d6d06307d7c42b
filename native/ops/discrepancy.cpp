#include "ops/discrepancy.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <torch/csrc/autograd/custom_function.h>

#include "cpu/discrepancy.h"
#include "ops/plain.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Writes the gradients, where they are given, [n, D] or [2 n, D]: of a, then of b.
Tensor evaluate(Pool& pool, const Tensor& a, const Tensor& b, bool isRadial, const Tensor& gradient) {
  const int64_t n = a.size(0), dimensions = a.size(1);
  const Tensor first = a.contiguous(), second = b.contiguous();
  cpu::DiscrepancyGradients to{nullptr, nullptr, dimensions};
  if (gradient.defined()) {
    to.first = gradient.mutable_data_ptr<float>();
    if (gradient.size(0) > n) to.second = to.first + n * dimensions;
  }
  const cpu::TwoSamples samples{
      n,          dimensions, first.const_data_ptr<float>(), dimensions, second.const_data_ptr<float>(),
      dimensions, isRadial};
  return at::full({}, cpu::discrepancy(pool, samples, to), a.options());
}

class Discrepancy : public torch::autograd::Function<Discrepancy> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& a, const Tensor& b, bool isRadial, Pool* pool) {
    const int64_t wanted = b.requires_grad() ? 2 * a.size(0) : a.size(0);
    const Tensor gradient = at::empty({wanted, a.size(1)}, a.options());
    const Tensor value = evaluate(*pool, a, b, isRadial, gradient);
    ctx->save_for_backward({gradient});
    return value;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const Tensor scaled = ctx->get_saved_variables()[0] * gradients[0];
    const int64_t n = scaled.size(0);
    if (!ctx->needs_input_grad(1)) return {scaled, Tensor(), Tensor(), Tensor()};
    return {scaled.narrow(0, 0, n / 2), scaled.narrow(0, n / 2, n / 2), Tensor(), Tensor()};
  }
};

// The same by libtorch's operations.

// [n, m] squared distances.
Tensor squaredDistances(const Tensor& a, const Tensor& b) {
  const Tensor cross = a.matmul(b.t());
  return (a.square().sum(1, true) + b.square().sum(1).unsqueeze(0) - cross * 2.0).clamp_min(0);
}

// The weights of the pairs of n points of each of two samples, [2 n, 2 n].
Tensor pairWeights(int64_t n, const c10::TensorOptions& options) {
  const auto count = static_cast<double>(n);
  Tensor weights = at::full({2 * n, 2 * n}, -1 / (count * count), options);
  const double within = 1 / (count * (count - 1));
  weights.narrow(0, 0, n).narrow(1, 0, n).fill_(within);
  weights.narrow(0, n, n).narrow(1, n, n).fill_(within);
  weights.diagonal().fill_(0);
  return weights;
}

Tensor plainDiscrepancy(bool isRadial, const Tensor& points) {
  const Tensor distances = squaredDistances(points, points);
  Tensor kernels;
  for (const double scale : cpu::kKernelScales) {
    const double c = cpu::kernelUnit(points.size(1)) * scale;
    const Tensor k = isRadial ? (distances / -c).exp() : c / (distances + c);
    kernels = kernels.defined() ? kernels + k : k;
  }
  return (kernels * pairWeights(points.size(0) / 2, points.options())).sum();
}

}  // namespace

Tensor discrepancy(const Context& context, bool isRadial, const Tensor& a, const Tensor& b) {
  if (!PlainOperations::served(context)) return plainDiscrepancy(isRadial, at::cat({a, b}));
  if (!c10::GradMode::is_enabled() || !(a.requires_grad() || b.requires_grad())) {
    return evaluate(*context.pool, a, b, isRadial, {});
  }
  return Discrepancy::apply(a, b, isRadial, context.pool);
}

}  // namespace torchvae
