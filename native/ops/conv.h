// A convolution, or a transposed one, as a differentiable operation over the CPU's kernels, for models that
// are not fused as a whole.
#pragma once

#include "base/context.h"
#include "base/tensor.h"
#include "cpu/activation.h"
#include "cpu/conv_products.h"

namespace torchvae {

class ConvOp {
 public:
  enum class Direction : uint8_t { kDown, kUp };  // from the large image to the small one, or back

  ConvOp(const Context& context, Direction direction, const cpu::ConvGeometry& geometry)
      : context_(&context), direction_(direction), products_(geometry, context.panels()) {}

  // activate(the convolution + added) of images x [B, channels, height, width], weight [smallChannels,
  // largeChannels, kernel, kernel], bias by the channels that come out, and images `added`, which may be
  // undefined. Images come out with their channels innermost. Differentiable once.
  Tensor operator()(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& added,
                    ActivationKind activation) const;

  // The parts of it, on plain values: images have their channels innermost, and `weight` is [smallChannels,
  // kernel, kernel, largeChannels]. `slope` is undefined for activations whose slope is a function of y.
  struct Output {
    Tensor y, slope;
  };
  Output forward(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& added,
                 ActivationKind activation) const;
  // The gradient before the activation.
  Tensor passActivation(ActivationKind activation, const Tensor& kept, const Tensor& dy) const;
  Tensor inputGradient(const Tensor& dy, const Tensor& weight) const;
  // Of the weight, laid out as it, and of the bias.
  std::pair<Tensor, Tensor> weightGradients(const Tensor& x, const Tensor& dy) const;

 private:
  const Context* context_;
  Direction direction_;
  cpu::ConvProducts products_;
};

}  // namespace torchvae
