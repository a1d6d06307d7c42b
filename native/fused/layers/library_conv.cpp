#include "fused/layers/library_conv.h"

#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>

#include <tuple>

namespace torchvae {
namespace {

constexpr std::array<int64_t, 2> kDilation{1, 1};

at::Tensor channelsFirst(const at::Tensor& values) {
  return values.permute({0, 3, 1, 2});
}
at::Tensor channelsLast(const at::Tensor& values) {
  return values.permute({0, 2, 3, 1});
}

}  // namespace

LibraryConv::LibraryConv(ConvDirection direction, const cpu::ConvGeometry& g)
    : geometry_(g),
      up_(direction == ConvDirection::kUp),
      stride_{g.stride, g.stride},
      padding_{g.padding, g.padding},
      extra_{0, 0} {
  const auto rest = [&](int64_t large, int64_t small) {
    return large - ((small - 1) * g.stride - 2 * g.padding + g.kernel);
  };
  if (up_) extra_ = {rest(g.largeHeight, g.smallHeight), rest(g.largeWidth, g.smallWidth)};
}

// Seen as PyTorch's [rows, channels, height, width].
at::Tensor LibraryConv::asImages(const at::Tensor& values, int64_t rows, bool large) const {
  const cpu::ConvGeometry& g = geometry_;
  const at::Tensor images = values.narrow(0, 0, rows);
  return channelsFirst(large ? images.view({rows, g.largeHeight, g.largeWidth, g.largeChannels})
                             : images.view({rows, g.smallHeight, g.smallWidth, g.smallChannels}));
}

at::Tensor LibraryConv::forward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                int64_t rows) const {
  return channelsLast(at::convolution(asImages(x, rows, !up_), channelsFirst(weight), bias, stride_, padding_,
                                      kDilation, up_, extra_, 1));
}

at::Tensor LibraryConv::inputGradient(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight,
                                      int64_t rows) const {
  return channelsLast(std::get<0>(at::convolution_backward(
      asImages(dy, rows, up_), asImages(x, rows, !up_), channelsFirst(weight), at::OptionalIntArrayRef(),
      stride_, padding_, kDilation, up_, extra_, 1, {true, false, false})));
}

std::pair<at::Tensor, at::Tensor> LibraryConv::weightGradients(const at::Tensor& dy, const at::Tensor& x,
                                                               const at::Tensor& weight, int64_t rows,
                                                               bool withBias) const {
  const std::array<int64_t, 1> biasSize{up_ ? geometry_.largeChannels : geometry_.smallChannels};
  const auto [_, dw, db] =
      at::convolution_backward(asImages(dy, rows, up_), asImages(x, rows, !up_), channelsFirst(weight),
                               at::OptionalIntArrayRef(biasSize), stride_, padding_, kDilation, up_, extra_,
                               1, {false, true, withBias});
  return {channelsLast(dw), db};
}

}  // namespace torchvae
