// The images that a convolution makes, and those that a transposed one makes, which are also the gradients in
// the images of the other: products of pixels with weights, whose depth is what a pixel sees. What follows a
// product, an activation or its slope, is done with the tile at hand.
#pragma once

#include "activation.cuh"
#include "conv_arguments.h"
#include "conv_values.cuh"
#include "product.cuh"

namespace torchvae::kernels {

// Pixels of the made images that see the weights alike, and what they see. A convolution's are all of one
// sort. With stride s, a transposed one's are of s x s sorts, each of which meets other taps of the kernel.
struct Sight {
  int height, width;                // so many of an image
  int madeStep, madeTop, madeLeft;  // the pixel (y, x) is (y step + top, x step + left) of a made image,
  int seenStep, seenTop, seenLeft;  // and its first tap sees (y step + top, x step + left);
  int direction;                    // further ones lie behind that, or before it
  int tapsDown, tapsAcross;         // of the kernel, from
  int firstDown, firstAcross, tapStride;  // this one on, so far apart

  __device__ int pixels() const { return height * width; }
  __device__ int taps() const { return tapsDown * tapsAcross; }
};

__device__ inline Sight downSight(const ConvImagesArguments& a) {
  return {a.madeHeight, a.madeWidth, 1,        0,        0, a.stride, -a.padding,
          -a.padding,   1,           a.kernel, a.kernel, 0, 0,        1};
}

// Of pixels whose lines and columns leave `down` and `across` when they are divided by the stride.
__device__ inline Sight upSight(const ConvImagesArguments& a, int down, int across) {
  const int firstDown = (down + a.padding) % a.stride, firstAcross = (across + a.padding) % a.stride;
  return {(a.madeHeight - down + a.stride - 1) / a.stride,
          (a.madeWidth - across + a.stride - 1) / a.stride,
          a.stride,
          down,
          across,
          1,
          (down + a.padding - firstDown) / a.stride,
          (across + a.padding - firstAcross) / a.stride,
          -1,
          (a.kernel - firstDown + a.stride - 1) / a.stride,
          (a.kernel - firstAcross + a.stride - 1) / a.stride,
          firstDown,
          firstAcross,
          a.stride};
}

// Where a pixel of a sight lies, counted through all images.
struct SightPixel {
  int image, y, x;

  __device__ static SightPixel at(const Sight& sight, int index) {
    return {index / sight.pixels(), index % sight.pixels() / sight.width, index % sight.width};
  }
};

// Brings what pixels see to shared memory: rows are pixels, the depth is taps and in each the channels.
// kVector neighboring channels a copy; beyond the images' edges come zeros.
template <class T, int kWidth, int kDepth, int kVector, int kThreads>
class SightFeed {
  using Chunks = Chunk<kDepthAlongRows, kWidth, kDepth, T>;
  static constexpr int kAcross = kDepth / kVector;  // copies to a row
  static constexpr int kDown = kThreads / kAcross;  // rows at a time
  static constexpr int kTimes = kWidth / kDown;
  static_assert(kAcross * kDown == kThreads && kTimes * kDown == kWidth);

 public:
  // The pixels from `first` on.
  __device__ SightFeed(const ConvImagesArguments& a, const Sight& sight, int first) : a_(a), sight_(sight) {
    const int row = static_cast<int>(threadIdx.x) / kAcross;
    depth_ = static_cast<int>(threadIdx.x) % kAcross * kVector;
    place_ = row * Chunks::kStride + depth_;
    const int pixels = a.rows * sight.pixels();
#pragma unroll
    for (int i = 0; i < kTimes; ++i) {
      const int index = first + row + i * kDown;
      const SightPixel p = SightPixel::at(sight, index);
      // Beyond the last pixel nothing is seen.
      const int top = index < pixels ? p.y * sight.seenStep + sight.seenTop : a.height + a.kernel;
      corner_[i] = top * 65536 + p.x * sight.seenStep + sight.seenLeft + 32768;
      image_[i] = p.image * a.height;
    }
  }

  // Begins to copy the next chunk.
  __device__ void begin(T* chunk) {
    const int tap = depth_ / a_.channels;
    const int channel = depth_ % a_.channels;
    const int down = tap / sight_.tapsAcross * sight_.direction;
    const int across = tap % sight_.tapsAcross * sight_.direction;
    const bool isTap = tap < sight_.taps();
#pragma unroll
    for (int i = 0; i < kTimes; ++i) {
      const int y = (corner_[i] >> 16) + down;
      const int x = (corner_[i] & 0xffff) - 32768 + across;
      const bool isInside = isTap && y >= 0 && y < a_.height && x >= 0 && x < a_.width;
      const int64_t pixel = isInside ? (image_[i] + y) * a_.width + x : 0;
      constexpr int kBytes = kVector * sizeof(T);
      beginCachedCopy<kBytes>(chunk + place_ + i * kDown * Chunks::kStride,
                              static_cast<const T*>(a_.images) + pixel * a_.channels + channel,
                              isInside ? kBytes : 0);
    }
    depth_ += kDepth;
  }

 private:
  const ConvImagesArguments& a_;
  const Sight& sight_;
  int depth_, place_;
  // What a row's first tap sees: the line and, 16 bits of one register, the column; and its image's first
  // line.
  int corner_[kTimes], image_[kTimes];
};

// Brings the weights that the sights of a transposed convolution meet: the depth is taps and in each the
// small image's channels, columns are the large image's.
template <class T, int kWidth, int kDepth, int kVector, int kThreads>
class TapFeed {
  using Chunks = Chunk<kDepthAlongColumns, kWidth, kDepth, T>;
  static constexpr int kAcross = kWidth / kVector;
  static constexpr int kFit = kThreads / kAcross;
  static constexpr int kDown = kFit < kDepth ? kFit : kDepth;
  static constexpr int kTimes = kDepth / kDown;
  static_assert(kAcross * kVector == kWidth && kTimes * kDown == kDepth);

 public:
  // Columns from `first` on.
  __device__ TapFeed(const ConvImagesArguments& a, const Sight& sight, int first) : a_(a), sight_(sight) {
    const int own = static_cast<int>(threadIdx.x) % kAcross * kVector;
    row_ = static_cast<int>(threadIdx.x) / kAcross;
    depth_ = row_;
    column_ = first + own;
    place_ = row_ * Chunks::kStride + own;
    const int left = a.madeChannels - column_;
    valid_ = static_cast<int>(sizeof(T)) * (left < 0 ? 0 : (left < kVector ? left : kVector));
  }

  __device__ void begin(T* chunk) {
    if (row_ >= kDown) return;
#pragma unroll
    for (int i = 0; i < kTimes; ++i) {
      const int depth = depth_ + i * kDown;
      const int tap = depth / a_.channels;
      const bool isTap = tap < sight_.taps();
      const int down = sight_.firstDown + tap / sight_.tapsAcross * sight_.tapStride;
      const int across = sight_.firstAcross + tap % sight_.tapsAcross * sight_.tapStride;
      const int line = (depth % a_.channels * a_.kernel + down) * a_.kernel + across;
      const int64_t at = valid_ > 0 && isTap ? static_cast<int64_t>(line) * a_.madeChannels + column_ : 0;
      beginCopy<kVector * sizeof(T)>(chunk + place_ + i * kDown * Chunks::kStride,
                                     static_cast<const T*>(a_.weights) + at, isTap ? valid_ : 0);
    }
    depth_ += kDepth;
  }

 private:
  const ConvImagesArguments& a_;
  const Sight& sight_;
  int row_, depth_, column_, place_, valid_;
};

// What is done with a tile of sums: the thread takes its columns, kGroup neighboring ones, in some of the
// rows.
template <class Program, class Tile>
class ImageEpilogue {
  using T = ConvValue<Program::kPrecision>;
  static constexpr int kGroup = Program::kGroup;
  static constexpr int kAcross = Tile::kColumns / kGroup;
  static constexpr int kDown = Tile::kThreads / kAcross;
  static_assert(kDown * kAcross == Tile::kThreads);

 public:
  __device__ ImageEpilogue(const ConvImagesArguments& a, int firstColumn) : a_(a) {
    own_ = static_cast<int>(threadIdx.x) % kAcross * kGroup;
    column_ = firstColumn + own_;
    if (a.bias == nullptr || column_ >= a.madeChannels) return;
#pragma unroll
    for (int k = 0; k < kGroup; ++k) bias_[k] = load(static_cast<const T*>(a.bias), column_ + k);
  }

  __device__ void take(const float* shared, const Sight& sight, int first) {
    if (column_ >= a_.madeChannels) return;
    const int pixels = a_.rows * sight.pixels();
#pragma unroll 2
    for (int row = static_cast<int>(threadIdx.x) / kAcross; row < Tile::kRows; row += kDown) {
      if (first + row >= pixels) return;
      const SightPixel p = SightPixel::at(sight, first + row);
      const int64_t line =
          static_cast<int64_t>(p.image) * a_.madeHeight + p.y * sight.madeStep + sight.madeTop;
      const int64_t pixel = line * a_.madeWidth + p.x * sight.madeStep + sight.madeLeft;
      Floats<kGroup> x = Tile::template sums<kGroup>(shared, row, own_);
      finish(x.of, pixel * a_.madeChannels + column_);
    }
  }

  // to[column] = the block's sums of what it made, always in one order. Called by all its threads.
  __device__ void storeSums(float* shared, float* to) const {
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kGroup; ++k) shared[static_cast<int>(threadIdx.x) * kGroup + k] = sums_[k];
    __syncthreads();
    const int mine = static_cast<int>(threadIdx.x);
    if (mine >= Tile::kColumns) return;
    const int column = column_ - own_ + mine;
    if (column >= a_.madeChannels) return;
    float sum = 0;
    for (int i = 0; i < kDown; ++i) sum += shared[i * Tile::kColumns + mine];
    to[column] = sum;
  }

 private:
  __device__ void finish(float (&x)[kGroup], int64_t at) {
    if (a_.kept != nullptr) {
      float slopes[kGroup];
      loadColumns<T, kGroup>(a_.kept, at, slopes);
#pragma unroll
      for (int k = 0; k < kGroup; ++k) x[k] *= slopeFrom(Program::kActivation, slopes[k]);
    } else if (!a_.isGradient) {
#pragma unroll
      for (int k = 0; k < kGroup; ++k) x[k] += bias_[k];
      if (a_.slope != nullptr) {
        float slopes[kGroup];
#pragma unroll
        for (int k = 0; k < kGroup; ++k) slopes[k] = slopeAt(Program::kActivation, x[k], 0.0f);
        storeColumns<T, kGroup>(a_.slope, at, slopes);
      }
#pragma unroll
      for (int k = 0; k < kGroup; ++k) x[k] = activated(Program::kActivation, x[k]);
    }
    storeColumns<T, kGroup>(a_.made, at, x);
#pragma unroll
    for (int k = 0; k < kGroup; ++k) sums_[k] += x[k];
  }

  const ConvImagesArguments& a_;
  int own_, column_;
  float bias_[kGroup] = {};
  float sums_[kGroup] = {};
};

// The tile of pixels [first, first + Tile::kRows) of a sight, and the channels from `column` on.
template <class Program, bool kUp>
struct ConvImages {
  using T = ConvValue<Program::kPrecision>;
  using Tile = Product<Program::kPrecision, Program::kTile, kDepthAlongRows,
                       kUp ? kDepthAlongColumns : kDepthAlongRows, 4, T>;

  __device__ static void multiply(const ConvImagesArguments& a, float* shared, const Sight& sight, int first,
                                  int column) {
    const int depth = sight.taps() * a.channels;
    const int chunks = (depth + Tile::kDepth - 1) / Tile::kDepth;
    SightFeed<T, Tile::kRows, Tile::kDepth, Program::kVector, Tile::kThreads> seen(a, sight, first);
    if constexpr (kUp) {
      TapFeed<T, Tile::kColumns, Tile::kDepth, Program::kWeightVector, Tile::kThreads> weights(a, sight,
                                                                                               column);
      Tile::multiply(shared, seen, weights, chunks);
    } else {
      Feed<kDepthAlongRows, Tile::kColumns, Tile::kDepth, Program::kWeightVector, Tile::kThreads, T> weights(
          {static_cast<const T*>(a.weights), a.madeChannels, depth, depth}, column);
      Tile::multiply(shared, seen, weights, chunks);
    }
  }
};

// Grid: a.lines blocks, which take the tiles of pixels in turn, once for every tile of channels.
template <class Program, bool kUp>
__device__ inline void convImages(const ConvImagesArguments& a) {
  using Images = ConvImages<Program, kUp>;
  using Tile = typename Images::Tile;
  TORCHVAE_DYNAMIC_SHARED(shared);
  const int line = static_cast<int>(blockIdx.x) % a.lines;
  const int column = static_cast<int>(blockIdx.x) / a.lines * Tile::kColumns;
  ImageEpilogue<Program, Tile> epilogue(a, column);
  int before = 0;  // tiles of the sights before this one
  const int sorts = kUp ? a.stride : 1;
  for (int sort = 0; sort < sorts * sorts; ++sort) {
    const Sight sight = kUp ? upSight(a, sort / sorts, sort % sorts) : downSight(a);
    const int tiles = (a.rows * sight.pixels() + Tile::kRows - 1) / Tile::kRows;
    // This block's first tile of these.
    const int skipped = (before + a.lines - 1 - line) / a.lines * a.lines + line - before;
    for (int tile = skipped; tile < tiles; tile += a.lines) {
      __syncthreads();  // the sums of the tile before have been read
      Images::multiply(a, shared, sight, tile * Tile::kRows, column);
      epilogue.take(shared, sight, tile * Tile::kRows);
    }
    before += tiles;
  }
  if (a.sums != nullptr) epilogue.storeSums(shared, a.sums + static_cast<int64_t>(line) * a.madeChannels);
}

}  // namespace torchvae::kernels
