#include "ops/conv.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <tuple>

#include "base/floats.h"
#include "cpu/slope.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor newImages(int64_t count, int64_t channels, int64_t height, int64_t width) {
  return at::empty({count, channels, height, width}, c10::TensorOptions().dtype(c10::kFloat),
                   at::MemoryFormat::ChannelsLast);
}

class ConvFunction : public torch::autograd::Function<ConvFunction> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const std::optional<Tensor>& added, const ConvOp* op, int64_t activation) {
    const Tensor images = x.contiguous(at::MemoryFormat::ChannelsLast);
    const Tensor rows = weight.permute({0, 2, 3, 1}).contiguous();
    const Tensor more = added ? added->contiguous(at::MemoryFormat::ChannelsLast) : Tensor();
    const auto output = op->forward(images, rows, bias, more, static_cast<ActivationKind>(activation));
    ctx->save_for_backward({images, rows, output.slope.defined() ? output.slope : output.y});
    ctx->saved_data["op"] = reinterpret_cast<int64_t>(op);
    ctx->saved_data["activation"] = activation;
    ctx->saved_data["isSum"] = added.has_value();
    return output.y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const auto* op = reinterpret_cast<const ConvOp*>(ctx->saved_data["op"].toInt());
    const auto activation = static_cast<ActivationKind>(ctx->saved_data["activation"].toInt());
    const Tensor dy =
        op->passActivation(activation, saved[2], gradients[0].contiguous(at::MemoryFormat::ChannelsLast));
    Tensor dx, dweight, dbias;
    if (ctx->needs_input_grad(0)) dx = op->inputGradient(dy, saved[1]);
    if (ctx->needs_input_grad(1)) {
      std::tie(dweight, dbias) = op->weightGradients(saved[0], dy);
      dweight = dweight.permute({0, 3, 1, 2});
    }
    return {dx, dweight, dbias, ctx->saved_data["isSum"].toBool() ? dy : Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor ConvOp::operator()(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& added,
                          ActivationKind activation) const {
  const std::optional<Tensor> more = added.defined() ? std::optional(added) : std::nullopt;
  return ConvFunction::apply(x, weight, bias, more, this, static_cast<int64_t>(activation));
}

ConvOp::Output ConvOp::forward(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& added,
                               ActivationKind activation) const {
  const bool isDown = direction_ == Direction::kDown;
  const cpu::ConvGeometry& g = products_.geometry();
  const auto newOutput = [&] {
    return isDown ? newImages(x.size(0), g.smallChannels, g.smallHeight, g.smallWidth)
                  : newImages(x.size(0), g.largeChannels, g.largeHeight, g.largeWidth);
  };
  Output output{newOutput(), {}};
  if (keptOf(activation) == KeptOf::kSlope) output.slope = newOutput();
  cpu::ConvFinish finish;
  finish.bias = constFloats(bias);
  finish.slope = output.slope.defined() ? floats(output.slope) : nullptr;
  finish.activation = activation;
  finish.added = added.defined() ? constFloats(added) : nullptr;
  if (isDown) {
    products_.toSmall(*context_->pool, x.size(0), constFloats(x), constFloats(weight), finish,
                      floats(output.y));
  } else {
    products_.toLarge(*context_->pool, x.size(0), constFloats(x), constFloats(weight), finish,
                      floats(output.y));
  }
  return output;
}

Tensor ConvOp::passActivation(ActivationKind activation, const Tensor& kept, const Tensor& dy) const {
  if (activation == ActivationKind::kIdentity) return dy;
  const Tensor before = at::empty_like(dy);
  const int64_t size = dy.numel() / dy.size(0);
  context_->pool->run(dy.size(0), [&](int64_t image) {
    const int64_t at = image * size;
    cpu::multiplyBySlope(activation, constFloats(dy) + at, constFloats(kept) + at, size, floats(before) + at);
  });
  return before;
}

Tensor ConvOp::inputGradient(const Tensor& dy, const Tensor& weight) const {
  const cpu::ConvGeometry& g = products_.geometry();
  if (direction_ == Direction::kDown) {
    const Tensor dx = newImages(dy.size(0), g.largeChannels, g.largeHeight, g.largeWidth);
    products_.toLarge(*context_->pool, dy.size(0), constFloats(dy), constFloats(weight), {}, floats(dx));
    return dx;
  }
  const Tensor dx = newImages(dy.size(0), g.smallChannels, g.smallHeight, g.smallWidth);
  products_.toSmall(*context_->pool, dy.size(0), constFloats(dy), constFloats(weight), {}, floats(dx));
  return dx;
}

std::pair<Tensor, Tensor> ConvOp::weightGradients(const Tensor& x, const Tensor& dy) const {
  const cpu::ConvGeometry& g = products_.geometry();
  const bool isDown = direction_ == Direction::kDown;
  const int64_t count = x.size(0), channels = dy.size(1);
  const Tensor dweight = newFloats({g.smallChannels, g.kernel, g.kernel, g.largeChannels});
  const Tensor dbias = newFloats({channels});
  products_.weightGradient(*context_->pool, count, constFloats(isDown ? dy : x), constFloats(isDown ? x : dy),
                           floats(dweight));
  cpu::ConvProducts::biasGradient(*context_->pool, constFloats(dy), count, dy.size(2) * dy.size(3), channels,
                                  floats(dbias));
  return {dweight, dbias};
}

}  // namespace torchvae
