// A convolution, or a transposed one, on a device: by our own products where they are faster, else by the
// library's with fused kernels between them.
#pragma once

#include <optional>

#include "base/context.h"
#include "fused/layers/layer.h"
#include "fused/layers/library_conv.h"
#include "kernels/conv.h"
#include "kernels/conv_images.h"
#include "store/parameters.h"

namespace torchvae {

class DeviceConv : public fused::Layer {
 public:
  // Buffers for up to `capacity` rows.
  DeviceConv(const Context& context, const Parameters& parameters, const ConvSlots& slots,
             ConvDirection direction, const cpu::ConvGeometry& geometry, ActivationKind kind,
             int64_t capacity, const fused::LayerUse& use);

  void forward(const Activations& x, int64_t rows) override;
  void inputGradient(ActivationKind madeX, Activations& gradient, int64_t rows) override;
  void weightGradient(int64_t rows) override;
  void gradientParts(int64_t rows, std::vector<GradientPart>& parts) const override;

 private:
  Kernels* kernels_;
  ConvSlots slots_;
  LibraryConv conv_;
  at::Tensor weight_, bias_;
  bool isUp_;
  std::optional<ConvImages> forward_, back_;  // in place of the library's images and gradients
  std::optional<ConvWeights> weights_;
  at::Tensor weightGradient_;  // the library's, in the type of activations, for finishGradients() to gather
  bool leavesBias_;
  const Activations* input_ = nullptr;
};

}  // namespace torchvae
