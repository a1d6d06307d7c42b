// The kernel of conv.cu as a call: the gradient of a convolution's weights.
#pragma once

#include <ATen/core/Tensor.h>

#include "cpu/conv.h"
#include "cuda_part.h"
#include "kernels/arguments.h"

namespace torchvae {

class ConvWeights {
 public:
  // Of batches of up to `capacity` images. `options` are of float32 on the device.
  ConvWeights(CudaPart& part, kernels::Precision precision, const cpu::ConvGeometry& geometry,
              int64_t capacity, const at::TensorOptions& options);

  // Whether the kernel takes such layers, and takes them faster than the library does.
  static bool serves(kernels::Precision precision, const cpu::ConvGeometry& geometry);

  // The gradient from the batch's images, those of `small` and `large` in the type of activations, into the
  // first lines of parts().
  void gradient(const at::Tensor& small, const at::Tensor& large, int64_t rows);
  // [cuts, weights], whose sum over the cuts of so many images the gradient is.
  at::Tensor parts(int64_t rows) const { return parts_.narrow(0, 0, cuts(rows)); }

 private:
  int64_t tiles() const;
  int64_t cuts(int64_t rows) const;

  CudaPart& part_;
  kernels::Precision precision_;
  cpu::ConvGeometry geometry_;
  int tile_;           // of kernels::kTiles
  int64_t cutPixels_;  // of the product's depth, for a block
  at::Tensor parts_;   // [cuts, weights]
  void* kernel_ = nullptr;
};

}  // namespace torchvae
