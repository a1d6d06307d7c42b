#include "ops/flow.h"

#include <ATen/ops/elu.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_sigmoid.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "cpu/flow.h"
#include "ops/plain.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

cpu::FlowShape shapeOf(const std::vector<FlowStep>& steps, int64_t rows) {
  const FlowStep& step = steps.front();
  return {rows, step.firstWeight.size(1), step.contextWeight.size(1), step.firstWeight.size(0)};
}

// The flow over `memory`, which holds all steps' matrices, activations and gradients.
cpu::Flow flowOf(const std::vector<FlowStep>& steps, const cpu::FlowShape& shape, const Tensor& memory) {
  std::vector<cpu::FlowStepWeights> weights;
  for (const FlowStep& step : steps) {
    const auto values = [](const Tensor& tensor) { return tensor.const_data_ptr<float>(); };
    weights.push_back({{values(step.firstWeight), values(step.firstBias), values(step.contextWeight),
                        values(step.contextBias), values(step.secondWeight), values(step.secondBias)},
                       values(step.firstMask),
                       values(step.secondMask)});
  }
  return cpu::makeFlow(shape, std::move(weights), memory.mutable_data_ptr<float>());
}

class FlowFunction : public torch::autograd::Function<FlowFunction> {
 public:
  // `leaf` stands for all weights.
  static variable_list forward(AutogradContext* ctx, const Tensor& z, const Tensor& logQ, const Tensor& given,
                               const Tensor& /*leaf*/, const std::vector<FlowStep>* steps, Pool* pool) {
    const Tensor code = z.contiguous(), density = logQ.contiguous(), features = given.contiguous();
    const cpu::FlowShape shape = shapeOf(*steps, code.size(0));
    const auto count = static_cast<int64_t>(steps->size());
    const Tensor memory = at::empty({count * cpu::flowMemorySize(shape)}, code.options());
    const Tensor to = at::empty_like(code), toLogQ = at::empty_like(density);
    cpu::flowForward(
        *pool, flowOf(*steps, shape, memory), {code.const_data_ptr<float>(), density.const_data_ptr<float>()},
        features.const_data_ptr<float>(), {to.mutable_data_ptr<float>(), toLogQ.mutable_data_ptr<float>()});
    ctx->save_for_backward({memory});
    ctx->saved_data["rows"] = shape.rows;
    ctx->saved_data["steps"] = reinterpret_cast<int64_t>(steps);
    ctx->saved_data["pool"] = reinterpret_cast<int64_t>(pool);
    return {to, toLogQ};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto& steps = *reinterpret_cast<const std::vector<FlowStep>*>(ctx->saved_data["steps"].toInt());
    auto* pool = reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt());
    const cpu::FlowShape shape = shapeOf(steps, ctx->saved_data["rows"].toInt());
    const cpu::Flow flow = flowOf(steps, shape, ctx->get_saved_variables()[0]);
    const Tensor dTo = gradients[0].contiguous(), dLogQ = gradients[1].contiguous();
    const Tensor dz = at::empty_like(dTo), dGiven = at::empty({shape.rows, shape.given}, dTo.options());
    cpu::flowBackward(*pool, flow, {dTo.const_data_ptr<float>(), dLogQ.const_data_ptr<float>()},
                      dz.mutable_data_ptr<float>(), dGiven.mutable_data_ptr<float>());
    if (ctx->needs_input_grad(3)) addWeightGradients(*pool, flow, steps);
    return {dz, dLogQ, dGiven, Tensor(), Tensor(), Tensor()};
  }

 private:
  static void addWeightGradients(Pool& pool, const cpu::Flow& flow, const std::vector<FlowStep>& steps) {
    const auto place = [](const Tensor& leaf) { return leaf.grad().mutable_data_ptr<float>(); };
    std::vector<cpu::FlowWeights<float>> places;
    for (const FlowStep& step : steps) {
      places.push_back({place(step.firstWeight), place(step.firstBias), place(step.contextWeight),
                        place(step.contextBias), place(step.secondWeight), place(step.secondBias)});
    }
    cpu::flowWeightGradients(pool, flow, places);
  }
};

Flowed plainFlow(const std::vector<FlowStep>& steps, const Flowed& base, const Tensor& given) {
  auto [z, logQ] = base;
  for (const FlowStep& step : steps) {
    if (&step != &steps.front()) z = z.flip({1});
    const Tensor h = at::elu(at::linear(z, step.firstWeight * step.firstMask, step.firstBias) +
                             at::linear(given, step.contextWeight, step.contextBias));
    const auto parts = at::linear(h, step.secondWeight * step.secondMask, step.secondBias).chunk(2, 1);
    const Tensor open = parts[1] + 2.0, s = open.sigmoid();
    z = s * z + (1.0 - s) * parts[0];
    logQ = logQ - at::log_sigmoid(open).sum(1);
  }
  return {z, logQ};
}

}  // namespace

Flowed autoregressiveFlow(const Context& context, const std::vector<FlowStep>& steps, const Flowed& base,
                          const Tensor& given) {
  if (!PlainOperations::served(context)) return plainFlow(steps, base, given);
  const variable_list made =
      FlowFunction::apply(base.z, base.logQ, given, steps.front().firstWeight, &steps, context.pool);
  return {made[0], made[1]};
}

}  // namespace torchvae
