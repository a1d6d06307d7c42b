// Convolution and transposed convolution on the CPU. Both are products with the same matrix between a large
// image, seen through its patches, and a small one: what is forward for the one is the input gradient of the
// other.
//
// Images are [height, width, channels] (channels innermost). `patches` of a large image is the matrix
// [smallHeight * smallWidth, kernel * kernel * largeChannels] of what the kernel covers at each place, zero
// outside. Weights are [smallChannels, kernel * kernel * largeChannels]. Each image is one thread's work and
// stays in its cache.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/conv_finish.h"
#include "cpu/pool.h"
#include "spec.h"

namespace torchvae::cpu {

struct ConvGeometry {
  int64_t largeHeight, largeWidth, largeChannels;
  int64_t smallHeight, smallWidth, smallChannels;
  int64_t kernel, stride, padding;

  int64_t largeSize() const { return largeHeight * largeWidth * largeChannels; }
  int64_t places() const { return smallHeight * smallWidth; }
  int64_t smallSize() const { return places() * smallChannels; }
  int64_t patchSize() const { return kernel * kernel * largeChannels; }
};

// For every place and tap the pixel of the large image, or the number of its pixels where the tap lies
// outside. For images of few channels, whose runs of neighboring values are too short to be copied as such.
std::vector<int32_t> patchPixels(const ConvGeometry& geometry);

// A geometry, with the table of its patches where it has one.
struct ConvPatches {
  ConvGeometry geometry;
  std::vector<int32_t> pixels;  // empty where patches are gathered run by run
};
ConvPatches makeConvPatches(const ConvGeometry& geometry);

// small = patches(large) weights^T; weightsT [patchSize, smallChannels].
void patchesToSmall(Pool& pool, const ConvPatches& patches, int64_t images, const float* large,
                    const float* weightsT, const ConvFinish& finish, float* small);

// large = the sum, at every pixel, of what small weights says of the patches that cover it.
void smallToLarge(Pool& pool, const ConvPatches& patches, int64_t images, const float* small,
                  const float* weights, const ConvFinish& finish, float* large);

// dweights = sum over images of small^T patches(large). `partial` holds kPartialSums matrices of the weights'
// size: the images are cut into as many runs whatever the number of threads, and added up in order.
constexpr int64_t kPartialSums = 16;
void convWeightGradient(Pool& pool, const ConvPatches& patches, int64_t images, const float* small,
                        const float* large, float* partial, float* dweights);

// sums[c] = sum of channel c over `images` images of `pixels` pixels of `channels` each; `partial` as above.
void sumChannels(Pool& pool, const float* values, int64_t images, int64_t pixels, int64_t channels,
                 float* partial, float* sums);

}  // namespace torchvae::cpu
