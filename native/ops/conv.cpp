#include "ops/conv.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <tuple>

#include "cpu/transpose.h"

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

Tensor newImages(int64_t count, int64_t channels, int64_t height, int64_t width) {
  return at::empty({count, channels, height, width}, c10::TensorOptions().dtype(c10::kFloat),
                   at::MemoryFormat::ChannelsLast);
}

Tensor newFloats(at::IntArrayRef sizes) {
  return at::empty(sizes, c10::TensorOptions().dtype(c10::kFloat));
}

class ConvFunction : public torch::autograd::Function<ConvFunction> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvOp* op) {
    const Tensor images = x.contiguous(at::MemoryFormat::ChannelsLast);
    const Tensor rows = weight.permute({0, 2, 3, 1}).contiguous();
    ctx->save_for_backward({images, rows});
    ctx->saved_data["op"] = reinterpret_cast<int64_t>(op);
    return op->forward(images, rows, bias);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const auto* op = reinterpret_cast<const ConvOp*>(ctx->saved_data["op"].toInt());
    const Tensor dy = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    Tensor dx, dweight, dbias;
    if (ctx->needs_input_grad(0)) dx = op->inputGradient(dy, saved[1]);
    if (ctx->needs_input_grad(1)) {
      std::tie(dweight, dbias) = op->weightGradients(saved[0], dy);
      dweight = dweight.permute({0, 3, 1, 2});
    }
    return {dx, dweight, dbias, Tensor()};
  }
};

}  // namespace

Tensor ConvOp::operator()(const Tensor& x, const Tensor& weight, const Tensor& bias) const {
  return ConvFunction::apply(x, weight, bias, this);
}

Tensor ConvOp::forward(const Tensor& x, const Tensor& weight, const Tensor& bias) const {
  cpu::ConvFinish finish;
  finish.bias = values(bias);
  return direction_ == Direction::kDown ? toSmall(x, weight, finish) : toLarge(x, weight, finish);
}

Tensor ConvOp::inputGradient(const Tensor& dy, const Tensor& weight) const {
  return direction_ == Direction::kDown ? toLarge(dy, weight, {}) : toSmall(dy, weight, {});
}

Tensor ConvOp::toSmall(const Tensor& large, const Tensor& weight, const cpu::ConvFinish& finish) const {
  const cpu::ConvGeometry& g = patches_.geometry;
  const Tensor transposed = newFloats({g.patchSize(), g.smallChannels});
  transpose(values(weight), g.patchSize(), g.smallChannels, g.patchSize(), pointer(transposed),
            g.smallChannels);
  const Tensor small = newImages(large.size(0), g.smallChannels, g.smallHeight, g.smallWidth);
  Magnitude magnitude;
  cpu::patchesToSmall(*context_->pool, patches_, large.size(0), values(large), values(transposed), finish,
                      pointer(small), magnitude);
  return small;
}

Tensor ConvOp::toLarge(const Tensor& small, const Tensor& weight, const cpu::ConvFinish& finish) const {
  const cpu::ConvGeometry& g = patches_.geometry;
  const Tensor large = newImages(small.size(0), g.largeChannels, g.largeHeight, g.largeWidth);
  Magnitude magnitude;
  cpu::smallToLarge(*context_->pool, patches_, small.size(0), values(small), values(weight), finish,
                    pointer(large), magnitude);
  return large;
}

std::pair<Tensor, Tensor> ConvOp::weightGradients(const Tensor& x, const Tensor& dy) const {
  const cpu::ConvGeometry& g = patches_.geometry;
  const bool isDown = direction_ == Direction::kDown;
  const int64_t count = x.size(0), channels = dy.size(1);
  const Tensor dweight = newFloats({g.smallChannels, g.kernel, g.kernel, g.largeChannels});
  const Tensor dbias = newFloats({channels});
  const Tensor partial = newFloats({cpu::kPartialSums, std::max(dweight.numel(), channels)});
  cpu::convWeightGradient(*context_->pool, patches_, count, values(isDown ? dy : x), values(isDown ? x : dy),
                          pointer(partial), pointer(dweight));
  cpu::sumChannels(*context_->pool, values(dy), count, dy.size(2) * dy.size(3), channels, pointer(partial),
                   pointer(dbias));
  return {dweight, dbias};
}

}  // namespace torchvae
