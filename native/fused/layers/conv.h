// A convolution, or a transposed one, with its activation, its buffers and its derivatives. Features are
// images with the channels innermost.
#pragma once

#include "base/context.h"
#include "cpu/conv.h"
#include "fused/layers/layer.h"
#include "store/parameters.h"

namespace torchvae {

// Which of the two images is the input.
enum class ConvDirection : uint8_t { kDown, kUp };

class Conv : public fused::Layer {
 public:
  // kDown is a convolution, from the large image to the small; kUp a transposed one. Buffers for up to
  // `capacity` rows.
  Conv(const Context& context, const Parameters& parameters, const ConvSlots& slots, ConvDirection direction,
       const cpu::ConvGeometry& geometry, ActivationKind kind, int64_t capacity, const fused::LayerUse& use);

  void forward(const Activations& x, int64_t rows) override;
  void inputGradient(ActivationKind madeX, Activations& gradient, int64_t rows) override;
  void weightGradient(int64_t rows) override;
  Range parameterRange() const override;

 private:
  at::Tensor asImages(const at::Tensor& values, int64_t rows, bool large) const;
  static at::Tensor asRows(const at::Tensor& images);
  void prepareTransposedWeight();
  void finishForms(Activations& activations, int64_t rows) const;

  Context context_;
  ConvSlots slots_;
  ConvDirection direction_;
  cpu::ConvPatches patches_;
  at::Tensor weight_, bias_, weightGradient_, biasGradient_;
  at::Tensor weightTransposed_;  // [patchSize, smallChannels], made anew in each pass that reads it
  at::Tensor partial_;           // sums over runs of images
  const Activations* input_ = nullptr;
};

}  // namespace torchvae
