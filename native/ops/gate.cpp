#include "ops/gate.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/log_sigmoid.h>
#include <torch/csrc/autograd/custom_function.h>

#include "cpu/gate.h"
#include "ops/plain.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

cpu::GateInput viewOf(const Tensor& z, const Tensor& parts) {
  return {z.size(0), z.size(1), z.const_data_ptr<float>(), parts.const_data_ptr<float>()};
}

class GateFunction : public torch::autograd::Function<GateFunction> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& z, const Tensor& parts) {
    const Tensor values = z.contiguous(), both = parts.contiguous();
    const Tensor to = at::empty_like(values), logSlope = at::empty({values.size(0)}, values.options());
    cpu::gate(viewOf(values, both), to.mutable_data_ptr<float>(), logSlope.mutable_data_ptr<float>());
    ctx->save_for_backward({values, both});
    return {to, logSlope};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor dTo = gradients[0].contiguous(), dLogSlope = gradients[1].contiguous();
    const Tensor dz = at::empty_like(saved[0]), dParts = at::empty_like(saved[1]);
    cpu::gateBackward(viewOf(saved[0], saved[1]), dTo.const_data_ptr<float>(),
                      dLogSlope.const_data_ptr<float>(), dz.mutable_data_ptr<float>(),
                      dParts.mutable_data_ptr<float>());
    return {dz, dParts};
  }
};

}  // namespace

Gated gate(const Context& context, const Tensor& z, const Tensor& parts) {
  if (PlainOperations::served(context)) {
    const variable_list made = GateFunction::apply(z, parts);
    return {made[0], made[1]};
  }
  const auto each = parts.chunk(2, 1);
  const Tensor open = each[1] + 2.0, s = open.sigmoid();
  return {s * z + (1.0 - s) * each[0], at::log_sigmoid(open).sum(1)};
}

}  // namespace torchvae
