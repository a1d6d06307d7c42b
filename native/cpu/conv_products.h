// The three products of a convolution or of a transposed one, by the way that its geometry and the processor
// allow: Winograd's form (winograd.h), or patches (conv.h). Images and weights are laid out as there.
#pragma once

#include "cpu/conv.h"

namespace torchvae::cpu {

class ConvProducts {
 public:
  // `hasPanels` says whether our own products serve (Context::panels()).
  ConvProducts(const ConvGeometry& geometry, bool hasPanels);

  const ConvGeometry& geometry() const { return patches_.geometry; }

  // small = the convolution of large.
  void toSmall(Pool& pool, int64_t images, const float* large, const float* weights, const ConvFinish& finish,
               float* small) const;
  // large = the transposed convolution of small.
  void toLarge(Pool& pool, int64_t images, const float* small, const float* weights, const ConvFinish& finish,
               float* large) const;
  // The gradient in the weights, from the images of which one went in and the other is the gradient in what
  // came out.
  void weightGradient(Pool& pool, int64_t images, const float* small, const float* large,
                      float* dweights) const;
  // The gradient in the biases: sums[c] = sum of channel c over `images` images of `pixels` pixels.
  static void biasGradient(Pool& pool, const float* dy, int64_t images, int64_t pixels, int64_t channels,
                           float* sums);

 private:
  ConvPatches patches_;
  bool isWinograd_;
};

}  // namespace torchvae::cpu
