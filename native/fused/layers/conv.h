// A convolution, or a transposed one, with its activation, its buffers and its derivatives, on the CPU.
// Features are images with the channels innermost.
#pragma once

#include "base/context.h"
#include "cpu/conv_products.h"
#include "fused/layers/layer.h"
#include "fused/layers/library_conv.h"
#include "store/parameters.h"

namespace torchvae {

class Conv : public fused::Layer {
 public:
  // Buffers for up to `capacity` rows.
  Conv(const Context& context, const Parameters& parameters, const ConvSlots& slots, ConvDirection direction,
       const cpu::ConvGeometry& geometry, ActivationKind kind, int64_t capacity, const fused::LayerUse& use);

  void forward(const Activations& x, int64_t rows) override;
  void inputGradient(ActivationKind madeX, Activations& gradient, int64_t rows) override;
  void weightGradient(int64_t rows) override;
  FlatRange parameterRange() const override;

 private:
  void finishForms(Activations& activations, int64_t rows) const;

  Context context_;
  ConvSlots slots_;
  ConvDirection direction_;
  cpu::ConvProducts products_;
  LibraryConv library_;  // for what is not float32
  at::Tensor weight_, bias_, weightGradient_, biasGradient_;
  const Activations* input_ = nullptr;
};

}  // namespace torchvae
