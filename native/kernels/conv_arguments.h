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

// What the kernels of a convolution's images take (conv_images.cuh). Images lie with their channels
// innermost, weights as above: `images` are the large ones for a convolution, which makes small ones, and the
// small ones for a transposed one. A gradient is made of gradients, likewise.
struct ConvImagesArguments {
  const void* images;  // [rows, height, width, channels]
  const void* weights;
  const void* bias;  // [madeChannels], or null
  const void* kept;  // as `made`, of a gradient: what the activation's slope follows from; null for slope 1
  void* made;        // [rows, madeHeight, madeWidth, madeChannels]
  void* slope;       // as `made`: gets the activation's slope, unless null
  float* sums;       // [lines, madeChannels]: gets those of what each line of blocks made, unless null
  int32_t rows, height, width, channels, madeHeight, madeWidth, madeChannels;
  int32_t kernel, stride, padding;
  int32_t lines;
  int32_t isGradient;
};

}  // namespace torchvae::kernels
