// A convolution, or a transposed one, by libtorch's operations, on images with the channels innermost.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <utility>

#include "cpu/conv.h"

namespace torchvae {

// Which of the two images is the input: kDown is a convolution, from the large image to the small; kUp a
// transposed one.
enum class ConvDirection : uint8_t { kDown, kUp };

class LibraryConv {
 public:
  LibraryConv(ConvDirection direction, const cpu::ConvGeometry& geometry);

  // Of x, of the output's gradient dy and of the results the first `rows` rows are images one after another.
  // Results are [rows, height, width, channels], and of weights as the weights are, though they may lie in
  // another order. `bias` may be undefined.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                     int64_t rows) const;
  at::Tensor inputGradient(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight,
                           int64_t rows) const;
  // Of the weights and, where asked for, of the bias, which is undefined else.
  std::pair<at::Tensor, at::Tensor> weightGradients(const at::Tensor& dy, const at::Tensor& x,
                                                    const at::Tensor& weight, int64_t rows,
                                                    bool withBias) const;

 private:
  at::Tensor asImages(const at::Tensor& values, int64_t rows, bool large) const;

  cpu::ConvGeometry geometry_;
  bool up_;
  std::array<int64_t, 2> stride_, padding_;
  std::array<int64_t, 2> extra_;  // rows and columns of the large image that a transposed one is to add
};

}  // namespace torchvae
