// What the kernel of a convolution's weight gradient takes (conv_weights.cuh).
#pragma once

#include "arguments.h"

namespace torchvae::kernels {

// The gradient of weights [small channels, kernel, kernel, large channels], which is
//   sum over the pixels p of all small images of small[p] large[the patch that p sees],
// cut along the pixels: each cut's sum is a line of `parts`. Images lie with their channels innermost.
struct ConvWeightsArguments {
  const void* small;  // [rows, smallHeight, smallWidth, smallChannels]
  const void* large;  // [rows, largeHeight, largeWidth, largeChannels]
  float* parts;       // [cuts, smallChannels, kernel, kernel, largeChannels]
  int32_t rows, smallHeight, smallWidth, smallChannels, largeHeight, largeWidth, largeChannels;
  int32_t kernel, stride, padding;
  int32_t cutPixels;  // of a cut; the last may have fewer
};

}  // namespace torchvae::kernels
