#include "cpu/conv.h"

#include <algorithm>
#include <vector>

#include "cpu/tiles.h"
#include "cpu/transpose.h"
#include "ops/activation.h"

namespace torchvae::cpu {
namespace {

// Memory of the calling thread that one image's work uses and the next one's uses again.
float* scratch(int which, int64_t count) {
  thread_local std::vector<float> buffers[2];
  std::vector<float>& buffer = buffers[which];
  if (buffer.size() < static_cast<size_t>(count)) buffer.resize(static_cast<size_t>(count));
  return buffer.data();
}

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

// Calls body(patch row, offset in the patch, offset in the image, count) for every run of neighbouring values
// that a patch and the image share; a kernel's row of pixels is such a run, as their channels lie one after
// another.
template <class Body>
TORCHVAE_INLINE void forRuns(const ConvGeometry& g, const Body& body) {
  const int64_t channels = g.largeChannels;
  for (int64_t i = 0; i < g.smallHeight; ++i) {
    for (int64_t j = 0; j < g.smallWidth; ++j) {
      const Span span = spanAt(g, j);
      for (int64_t k = 0; k < g.kernel; ++k) {
        const int64_t row = i * g.stride - g.padding + k;
        if (row < 0 || row >= g.largeHeight) continue;
        body(i * g.smallWidth + j, (k * g.kernel + span.first) * channels,
             (row * g.largeWidth + span.column) * channels, (span.last - span.first) * channels);
      }
    }
  }
}

TORCHVAE_VECTORISED void gatherPatches(const ConvGeometry& g, const float* large, float* patches) {
  const int64_t size = g.patchSize();
  if (g.padding > 0) std::fill_n(patches, g.places() * size, 0.0f);
  forRuns(g, [&](int64_t place, int64_t within, int64_t from, int64_t count) {
    float* to = patches + place * size + within;
    for (int64_t c = 0; c < count; ++c) to[c] = large[from + c];
  });
}

TORCHVAE_VECTORISED void scatterPatches(const ConvGeometry& g, const float* patches, float* large) {
  const int64_t size = g.patchSize();
  forRuns(g, [&](int64_t place, int64_t within, int64_t to, int64_t count) {
    const float* from = patches + place * size + within;
    for (int64_t c = 0; c < count; ++c) large[to + c] += from[c];
  });
}

template <ActivationKind kind>
TORCHVAE_VECTORISED void finishValues(const ConvFinish& finish, int64_t image, float* values, int64_t pixels,
                                      int64_t channels) {
  if (finish.made != nullptr) {
    const float* made = finish.made + image * pixels * channels;
    for (int64_t i = 0; i < pixels * channels; ++i) values[i] *= activationSlope<kind>(made[i]);
    return;
  }
  for (int64_t p = 0; p < pixels; ++p) {
    float* pixel = values + p * channels;
    if (finish.bias != nullptr) {
      for (int64_t c = 0; c < channels; ++c) pixel[c] += finish.bias[c];
    }
  }
  for (int64_t i = 0; i < pixels * channels; ++i) values[i] = activate<kind>(values[i]);
}

template <ActivationKind kind>
void finishImage(const ConvFinish& finish, int64_t image, float* values, int64_t pixels, int64_t channels,
                 Magnitude& magnitude) {
  finishValues<kind>(finish, image, values, pixels, channels);
  magnitude.include(largestMagnitudeBits(values, 1, pixels * channels, 0));
}

// total[i] = the sum over `sums` of partial[s * stride + i], always in the same order.
TORCHVAE_VECTORISED void addInOrder(const float* partial, int64_t sums, int64_t stride, int64_t from,
                                    int64_t to, float* total) {
  for (int64_t i = from; i < to; ++i) total[i] = partial[i];
  for (int64_t s = 1; s < sums; ++s) {
    for (int64_t i = from; i < to; ++i) total[i] += partial[s * stride + i];
  }
}

TORCHVAE_VECTORISED void sumPixels(const float* values, int64_t pixels, int64_t channels, float* sums) {
  for (int64_t c = 0; c < channels; ++c) sums[c] = 0;
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t c = 0; c < channels; ++c) sums[c] += values[p * channels + c];
  }
}

}  // namespace

void patchesToSmall(Pool& pool, const ConvGeometry& g, int64_t images, const float* large,
                    const float* weightsT, const ConvFinish& finish, float* small, Magnitude& magnitude) {
  magnitude.reset();
  withActivation(finish.activation, [&](auto kind) {
    pool.run(images, [&](int64_t image) {
      float* patches = scratch(0, g.places() * g.patchSize());
      float* out = small + image * g.smallSize();
      gatherPatches(g, large + image * g.largeSize(), patches);
      multiply(g.places(), g.smallChannels, g.patchSize(), patches, g.patchSize(), weightsT, g.smallChannels,
               out, g.smallChannels);
      finishImage<kind.value>(finish, image, out, g.places(), g.smallChannels, magnitude);
    });
  });
}

void smallToLarge(Pool& pool, const ConvGeometry& g, int64_t images, const float* small, const float* weights,
                  const ConvFinish& finish, float* large, Magnitude& magnitude) {
  magnitude.reset();
  withActivation(finish.activation, [&](auto kind) {
    pool.run(images, [&](int64_t image) {
      float* patches = scratch(0, g.places() * g.patchSize());
      float* out = large + image * g.largeSize();
      multiply(g.places(), g.patchSize(), g.smallChannels, small + image * g.smallSize(), g.smallChannels,
               weights, g.patchSize(), patches, g.patchSize());
      std::fill_n(out, g.largeSize(), 0.0f);
      scatterPatches(g, patches, out);
      finishImage<kind.value>(finish, image, out, g.largeHeight * g.largeWidth, g.largeChannels, magnitude);
    });
  });
}

void convWeightGradient(Pool& pool, const ConvGeometry& g, int64_t images, const float* small,
                        const float* large, float* partial, float* dweights) {
  const int64_t size = g.smallChannels * g.patchSize();
  const int64_t sums = std::min(images, kPartialSums);
  pool.run(sums, [&](int64_t run) {
    float* patches = scratch(0, g.places() * g.patchSize());
    float* smallT = scratch(1, g.smallSize());
    float* sum = partial + run * size;
    const int64_t first = images * run / sums;
    const int64_t last = images * (run + 1) / sums;
    for (int64_t image = first; image < last; ++image) {
      gatherPatches(g, large + image * g.largeSize(), patches);
      transpose(small + image * g.smallSize(), g.smallChannels, g.places(), g.smallChannels, smallT,
                g.places());
      at::native::cpublas::brgemm(g.smallChannels, g.patchSize(), g.places(), g.places(), g.patchSize(),
                                  g.patchSize(), image > first, smallT, patches, sum);
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
