// The kernel of conv_images.cu as a call: the images that a convolution or a transposed one makes, and the
// gradients in those that it took.
#pragma once

#include <ATen/core/Tensor.h>

#include "cpu/conv.h"
#include "cuda_part.h"
#include "kernels/conv_arguments.h"
#include "kernels/kernels.h"

namespace torchvae {

class ConvImages {
 public:
  // kDown makes small images of large ones, as a convolution does, kUp large ones of small ones.
  enum class Way : uint8_t { kDown, kUp };

  ConvImages(CudaPart& part, kernels::Precision precision, const cpu::ConvGeometry& geometry, Way way)
      : part_(part), precision_(precision), geometry_(geometry), way_(way) {}

  // Whether the kernel takes such images, and takes them faster than the library does.
  static bool serves(kernels::Precision precision, const cpu::ConvGeometry& geometry);

  // Of the first `rows` images, all in the type of activations: made = activate(product + bias); `bias`
  // [channels] may be undefined, and `slope`, unless undefined, gets the activation's slope.
  void make(const at::Tensor& images, const at::Tensor& weight, const at::Tensor& bias, ActivationKind kind,
            int64_t rows, const at::Tensor& made, const at::Tensor& slope);
  // gradient = product times the slope of the activation that `kept` was kept of, whose values are those of
  // `sums` in turn.
  void makeGradient(const at::Tensor& gradients, const at::Tensor& weight, ActivationKind madeX,
                    const at::Tensor& kept, int64_t rows, const at::Tensor& gradient, ColumnSums& sums);

 private:
  void launch(kernels::ConvImagesArguments& arguments, ActivationKind kind);

  CudaPart& part_;
  kernels::Precision precision_;
  cpu::ConvGeometry geometry_;
  Way way_;
  int tile_ = -1;  // of kernels::kTiles, for which `kernel_` is compiled
  ActivationKind kind_{};
  void* kernel_ = nullptr;
};

}  // namespace torchvae
