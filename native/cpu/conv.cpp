#include "cpu/conv.h"

#include <ATen/native/CPUBlas.h>

#include <algorithm>
#include <vector>

#include "cpu/gemm.h"
#include "cpu/scratch.h"
#include "cpu/tiles.h"
#include "cpu/transpose.h"

namespace torchvae::cpu {
namespace {

// For one image, or several together.
enum class Scratch : uint8_t { kPatches, kTransposed, kPadded, kUses };

// The part of a kernel's row that lies within the image: taps first <= k < last, the first at column
// `column`.
struct Span {
  int64_t first, last, column;
};

Span spanAt(const ConvGeometry& g, int64_t smallColumn) {
  const int64_t start = smallColumn * g.stride - g.padding;
  const int64_t first = std::clamp<int64_t>(-start, 0, g.kernel);
  const int64_t last = std::clamp(g.largeWidth - start, first, g.kernel);
  return {first, last, start + first};
}

TORCHVAE_VECTORIZED void gatherRuns(const ConvGeometry& g, const float* large, float* patches) {
  const int64_t channels = g.largeChannels;
  const int64_t rowSize = g.kernel * channels;
  float* to = patches;
  for (int64_t i = 0; i < g.smallHeight; ++i) {
    for (int64_t j = 0; j < g.smallWidth; ++j) {
      const Span span = spanAt(g, j);
      for (int64_t k = 0; k < g.kernel; ++k, to += rowSize) {
        const int64_t row = i * g.stride - g.padding + k;
        const bool inside = row >= 0 && row < g.largeHeight;
        const int64_t first = inside ? span.first * channels : rowSize;
        const int64_t last = inside ? span.last * channels : rowSize;
        const float* from = inside ? large + (row * g.largeWidth + span.column) * channels : large;
        for (int64_t c = 0; c < first; ++c) to[c] = 0;
        for (int64_t c = first; c < last; ++c) to[c] = from[c - first];
        for (int64_t c = last; c < rowSize; ++c) to[c] = 0;
      }
    }
  }
}

TORCHVAE_VECTORIZED void scatterRuns(const ConvGeometry& g, const float* patches, float* large) {
  const int64_t channels = g.largeChannels;
  const int64_t rowSize = g.kernel * channels;
  const float* from = patches;
  for (int64_t i = 0; i < g.smallHeight; ++i) {
    for (int64_t j = 0; j < g.smallWidth; ++j) {
      const Span span = spanAt(g, j);
      for (int64_t k = 0; k < g.kernel; ++k, from += rowSize) {
        const int64_t row = i * g.stride - g.padding + k;
        if (row < 0 || row >= g.largeHeight) continue;
        float* to = large + (row * g.largeWidth + span.column) * channels;
        const float* run = from + span.first * channels;
        const int64_t count = (span.last - span.first) * channels;
        for (int64_t c = 0; c < count; ++c) to[c] += run[c];
      }
    }
  }
}

// One channel, through the table: `padded` has a zero behind the image's last pixel.
TORCHVAE_VECTORIZED void gatherPixels(const std::vector<int32_t>& pixels, const float* padded,
                                      float* patches) {
  const auto count = static_cast<int64_t>(pixels.size());
  const int32_t* pixel = pixels.data();
  for (int64_t i = 0; i < count; ++i) patches[i] = padded[pixel[i]];
}

void scatterPixels(const std::vector<int32_t>& pixels, const float* patches, float* padded) {
  const auto count = static_cast<int64_t>(pixels.size());
  for (int64_t i = 0; i < count; ++i) padded[pixels[static_cast<size_t>(i)]] += patches[i];
}

void gatherPatches(const ConvPatches& p, const float* large, float* patches) {
  if (p.pixels.empty()) return gatherRuns(p.geometry, large, patches);
  const int64_t size = p.geometry.largeSize();
  float* padded = scratch(Scratch::kPadded, size + 1);
  std::copy_n(large, size, padded);
  padded[size] = 0;
  gatherPixels(p.pixels, padded, patches);
}

// large = 0, then the patches added where they lie.
void scatterPatches(const ConvPatches& p, const float* patches, float* large) {
  const int64_t size = p.geometry.largeSize();
  if (p.pixels.empty()) {
    std::fill_n(large, size, 0.0f);
    return scatterRuns(p.geometry, patches, large);
  }
  float* padded = scratch(Scratch::kPadded, size + 1);
  std::fill_n(padded, size + 1, 0.0f);
  scatterPixels(p.pixels, patches, padded);
  std::copy_n(padded, size, large);
}

// total[i] = the sum over `sums` of partial[s * stride + i], always in the same order.
TORCHVAE_VECTORIZED void addInOrder(const float* partial, int64_t sums, int64_t stride, int64_t from,
                                    int64_t to, float* total) {
  for (int64_t i = from; i < to; ++i) total[i] = partial[i];
  for (int64_t s = 1; s < sums; ++s) {
    for (int64_t i = from; i < to; ++i) total[i] += partial[s * stride + i];
  }
}

TORCHVAE_VECTORIZED void sumPixels(const float* values, int64_t pixels, int64_t channels, float* sums) {
  for (int64_t c = 0; c < channels; ++c) sums[c] = 0;
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t c = 0; c < channels; ++c) sums[c] += values[p * channels + c];
  }
}

}  // namespace

std::vector<int32_t> patchPixels(const ConvGeometry& g) {
  std::vector<int32_t> pixels;
  pixels.reserve(static_cast<size_t>(g.places() * g.kernel * g.kernel));
  for (int64_t place = 0; place < g.places(); ++place) {
    for (int64_t tap = 0; tap < g.kernel * g.kernel; ++tap) {
      const int64_t row = place / g.smallWidth * g.stride - g.padding + tap / g.kernel;
      const int64_t column = place % g.smallWidth * g.stride - g.padding + tap % g.kernel;
      const bool inside = row >= 0 && row < g.largeHeight && column >= 0 && column < g.largeWidth;
      pixels.push_back(
          static_cast<int32_t>(inside ? row * g.largeWidth + column : g.largeHeight * g.largeWidth));
    }
  }
  return pixels;
}

ConvPatches makeConvPatches(const ConvGeometry& geometry) {
  return {geometry, geometry.largeChannels == 1 ? patchPixels(geometry) : std::vector<int32_t>{}};
}

void patchesToSmall(Pool& pool, const ConvPatches& p, int64_t images, const float* large,
                    const float* weightsT, const ConvFinish& finish, float* small) {
  const ConvGeometry& g = p.geometry;
  pool.run(images, [&](int64_t image) {
    float* patches = scratch(Scratch::kPatches, g.places() * g.patchSize());
    float* out = small + image * g.smallSize();
    gatherPatches(p, large + image * g.largeSize(), patches);
    multiply(g.places(), g.smallChannels, g.patchSize(), patches, g.patchSize(), weightsT, g.smallChannels,
             out, g.smallChannels);
    finishImage(finish, image, out, g.places(), g.smallChannels);
  });
}

void smallToLarge(Pool& pool, const ConvPatches& p, int64_t images, const float* small, const float* weights,
                  const ConvFinish& finish, float* large) {
  const ConvGeometry& g = p.geometry;
  pool.run(images, [&](int64_t image) {
    float* patches = scratch(Scratch::kPatches, g.places() * g.patchSize());
    float* out = large + image * g.largeSize();
    multiply(g.places(), g.patchSize(), g.smallChannels, small + image * g.smallSize(), g.smallChannels,
             weights, g.patchSize(), patches, g.patchSize());
    scatterPatches(p, patches, out);
    finishImage(finish, image, out, g.largeHeight * g.largeWidth, g.largeChannels);
  });
}

void convWeightGradient(Pool& pool, const ConvPatches& p, int64_t images, const float* small,
                        const float* large, float* partial, float* dweights) {
  const ConvGeometry& g = p.geometry;
  // Several images a product: with one alone, loading and storing the sum would take as long as the
  // multiplication.
  constexpr int64_t kTogether = 4;
  const int64_t places = g.places();
  const int64_t size = g.smallChannels * g.patchSize();
  const int64_t sums = std::min(images, kPartialSums);
  pool.run(sums, [&](int64_t run) {
    float* patches = scratch(Scratch::kPatches, kTogether * places * g.patchSize());
    float* smallT = scratch(Scratch::kTransposed, kTogether * g.smallSize());
    const int64_t first = images * run / sums;
    const int64_t last = images * (run + 1) / sums;
    for (int64_t image = first; image < last; image += kTogether) {
      const int64_t count = std::min(kTogether, last - image);
      for (int64_t i = 0; i < count; ++i) {
        gatherPatches(p, large + (image + i) * g.largeSize(), patches + i * places * g.patchSize());
      }
      transpose(small + image * g.smallSize(), g.smallChannels, count * places, g.smallChannels, smallT,
                kTogether * places);
      at::native::cpublas::brgemm(g.smallChannels, g.patchSize(), count * places, kTogether * places,
                                  g.patchSize(), g.patchSize(), image > first, smallT, patches,
                                  partial + run * size);
    }
  });
  constexpr int64_t kRange = 4096;
  pool.run((size + kRange - 1) / kRange, [&](int64_t tile) {
    addInOrder(partial, sums, size, tile * kRange, std::min(size, (tile + 1) * kRange), dweights);
  });
}

void sumChannels(Pool& pool, const float* values, int64_t images, int64_t pixels, int64_t channels,
                 float* partial, float* sums) {
  const int64_t runs = std::min(images, kPartialSums);
  pool.run(runs, [&](int64_t run) {
    const int64_t first = images * run / runs * pixels;
    const int64_t last = images * (run + 1) / runs * pixels;
    sumPixels(values + first * channels, last - first, channels, partial + run * channels);
  });
  addInOrder(partial, runs, channels, 0, channels, sums);
}

}  // namespace torchvae::cpu
