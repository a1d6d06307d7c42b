// The gradient of a convolution's weights, or of a transposed one's: a product whose depth are the pixels of
// the batch's small images. Blocks take cuts of the depth; finishGradients adds up what they leave, always in
// one order.
#pragma once

#include "conv_arguments.h"
#include "conv_values.cuh"
#include "product.cuh"

namespace torchvae::kernels {

// A pixel of the batch's small images, as a thread goes from chunk to chunk.
struct Pixel {
  int image, y, x;

  __device__ static Pixel at(const ConvWeightsArguments& a, int index) {
    const int places = a.smallHeight * a.smallWidth;
    return {index / places, index % places / a.smallWidth, index % a.smallWidth};
  }
  // `step` is itself a pixel: so many images, lines and columns on.
  __device__ void advance(const ConvWeightsArguments& a, const Pixel& step) {
    x += step.x;
    const int lines = x >= a.smallWidth ? 1 : 0;
    x -= lines * a.smallWidth;
    y += step.y + lines;
    const int images = y >= a.smallHeight ? 1 : 0;
    y -= images * a.smallHeight;
    image += step.image + images;
  }
};

// Brings the chunks of patches to shared memory: kVector neighboring values a copy, which lie in one pixel of
// the large image; beyond the image's edges come zeros.
template <class T, int kWidth, int kDepth, int kVector, int kThreads>
class PatchFeed {
  using Chunks = Chunk<kDepthAlongColumns, kWidth, kDepth, T>;
  static constexpr int kAcross = kWidth / kVector;  // copies to a row
  static constexpr int kDown = kThreads / kAcross;  // rows at a time
  static constexpr int kTimes = kDepth / kDown;
  static_assert(kAcross * kDown == kThreads && kTimes * kDown == kDepth);

 public:
  // Patches of the pixels from `first` to `end`, and of those the values from `column` on.
  __device__ PatchFeed(const ConvWeightsArguments& a, int first, int end, int column)
      : a_(a), step_(Pixel::at(a, kDepth)) {
    const int row = static_cast<int>(threadIdx.x) / kAcross;
    const int own = static_cast<int>(threadIdx.x) % kAcross * kVector;
    const int place = (column + own) / a.largeChannels;
    place_ = row * Chunks::kStride + own;
    channel_ = (column + own) % a.largeChannels;
    down_ = place / a.kernel - a.padding;
    right_ = place % a.kernel - a.padding;
    rowsLeft_ = place < a.kernel * a.kernel ? end - first - row : 0;
#pragma unroll
    for (int i = 0; i < kTimes; ++i) pixel_[i] = Pixel::at(a, first + row + i * kDown);
  }

  // Begins to copy the next chunk.
  __device__ void begin(T* chunk) {
#pragma unroll
    for (int i = 0; i < kTimes; ++i) {
      Pixel& p = pixel_[i];
      const int y = p.y * a_.stride + down_;
      const int x = p.x * a_.stride + right_;
      const bool isInside =
          i * kDown < rowsLeft_ && y >= 0 && y < a_.largeHeight && x >= 0 && x < a_.largeWidth;
      const int64_t line = static_cast<int64_t>(p.image) * a_.largeHeight + y;
      const int64_t at = (line * a_.largeWidth + x) * a_.largeChannels;
      constexpr int kBytes = kVector * sizeof(T);
      beginCopy<kBytes>(chunk + place_ + i * kDown * Chunks::kStride,
                        static_cast<const T*>(a_.large) + (isInside ? at + channel_ : 0),
                        isInside ? kBytes : 0);
      p.advance(a_, step_);
    }
    rowsLeft_ -= kDepth;
  }

 private:
  const ConvWeightsArguments& a_;
  Pixel step_, pixel_[kTimes];
  int place_, channel_, down_, right_, rowsLeft_;
};

// Grid: the tiles of the weights, once for every cut of the pixels.
template <class Program>
__device__ inline void convWeights(const ConvWeightsArguments& a) {
  using T = ConvValue<Program::kPrecision>;
  using Tile = Product<Program::kPrecision, Program::kTile, kDepthAlongColumns, kDepthAlongColumns, 4, T>;
  TORCHVAE_DYNAMIC_SHARED(shared);
  awaitPrevious();
  admitNext();
  const int patch = a.kernel * a.kernel * a.largeChannels;
  const int across = (patch + Tile::kColumns - 1) / Tile::kColumns;
  const int tiles = (a.smallChannels + Tile::kRows - 1) / Tile::kRows * across;
  const int cut = static_cast<int>(blockIdx.x) / tiles;
  const int own = static_cast<int>(blockIdx.x) % tiles;
  const int row = own / across * Tile::kRows;
  const int column = own % across * Tile::kColumns;
  const int pixels = a.rows * a.smallHeight * a.smallWidth;
  const int first = cut * a.cutPixels;
  const int end = first + a.cutPixels < pixels ? first + a.cutPixels : pixels;
  constexpr int kOfVector = 16 / sizeof(T);
  Feed<kDepthAlongColumns, Tile::kRows, Tile::kDepth, kOfVector, Tile::kThreads, T> small(
      {static_cast<const T*>(a.small) + static_cast<int64_t>(first) * a.smallChannels, end - first,
       a.smallChannels, a.smallChannels},
      row);
  PatchFeed<T, Tile::kColumns, Tile::kDepth, Program::kVector, Tile::kThreads> patches(a, first, end, column);
  Tile::multiply(shared, small, patches, (end - first + Tile::kDepth - 1) / Tile::kDepth);
  float* to = a.parts + static_cast<int64_t>(cut) * a.smallChannels * patch;
#pragma unroll 4
  for (int i = threadIdx.x; i < Tile::kRows * Tile::kColumns; i += Tile::kThreads) {
    const int m = i / Tile::kColumns;
    const int n = i % Tile::kColumns;
    if (row + m < a.smallChannels && column + n < patch)
      to[static_cast<int64_t>(row + m) * patch + column + n] = Tile::sum(shared, m, n);
  }
}

}  // namespace torchvae::kernels
