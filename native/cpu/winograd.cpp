#include "cpu/winograd.h"

#include <algorithm>

#include "cpu/product.h"
#include "cpu/scratch.h"
#include "cpu/transpose.h"
#include "cpu/winograd_tiles.h"

namespace torchvae::cpu {
namespace {

// Rows that a product should have at least: images are taken together until there are as many tiles.
constexpr int64_t kRows = 48;

// For one image, or several together.
enum class Scratch : uint8_t { kInput, kOutput, kZeros, kNowhere, kTurned, kUses };

// An image with the tiles of 2 x 2 values that cover it.
struct Tiling {
  int64_t height, width;

  int64_t down() const { return (height + 1) / 2; }
  int64_t across() const { return (width + 1) / 2; }
  int64_t tiles() const { return down() * across(); }
  int64_t imagesAtOnce() const { return (kRows + tiles() - 1) / tiles(); }
  // Tile number `tile` begins at (row, column).
  int64_t row(int64_t tile) const { return tile / across() * 2; }
  int64_t column(int64_t tile) const { return tile % across() * 2; }
  bool holds(int64_t i, int64_t j) const { return i >= 0 && i < height && j >= 0 && j < width; }
};

Tiling tilingOf(const ConvGeometry& g) {
  return {g.smallHeight, g.smallWidth};
}

// Forms of several images' tiles: sixteen matrices [tiles, channels]. They lie a line further apart than they
// are large, or their lines would fall to the same places of the cache.
struct Forms {
  float* values;
  int64_t channels, apart;

  Forms(float* memory, int64_t tiles, int64_t width)
      : values(memory), channels(width), apart(apartOf(tiles, width)) {}
  Forms(Scratch use, int64_t tiles, int64_t width)
      : Forms(scratch(use, sizeOf(tiles, width)), tiles, width) {}
  static int64_t apartOf(int64_t tiles, int64_t width) { return tiles * width + 16; }
  static int64_t sizeOf(int64_t tiles, int64_t width) { return kWinogradPlaces * apartOf(tiles, width); }
  float* place(int64_t i) const { return values + i * apart; }
};

void inputForms(const Tiling& t, const float* image, int64_t firstTile, const Forms& to) {
  const float* zeros = scratch(Scratch::kZeros, to.channels);
  for (int64_t tile = 0; tile < t.tiles(); ++tile) {
    const float* pixels[16];
    for (int64_t i = 0; i < 16; ++i) {
      const int64_t row = t.row(tile) - 1 + i / 4, column = t.column(tile) - 1 + i % 4;
      pixels[i] = t.holds(row, column) ? image + (row * t.width + column) * to.channels : zeros;
    }
    inputToForm(pixels, to.channels, to.values + (firstTile + tile) * to.channels, to.apart);
  }
}

// The 2 x 2 pixels of a tile; `outside` for those that the image does not have.
template <class Float>
void pixelsOf(const Tiling& t, int64_t tile, int64_t channels, Float* image, Float* outside,
              Float* (&pixels)[4]) {
  for (int64_t i = 0; i < 4; ++i) {
    const int64_t row = t.row(tile) + i / 2, column = t.column(tile) + i % 2;
    pixels[i] = t.holds(row, column) ? image + (row * t.width + column) * channels : outside;
  }
}

void outputOf(const Tiling& t, const Forms& from, int64_t firstTile, float* image) {
  float* nowhere = scratch(Scratch::kNowhere, from.channels);
  for (int64_t tile = 0; tile < t.tiles(); ++tile) {
    float* pixels[4];
    pixelsOf(t, tile, from.channels, image, nowhere, pixels);
    formToOutput(from.values + (firstTile + tile) * from.channels, from.apart, from.channels, pixels);
  }
}

void outputGradientForms(const Tiling& t, const float* image, int64_t firstTile, const Forms& to) {
  const float* zeros = scratch(Scratch::kZeros, to.channels);
  for (int64_t tile = 0; tile < t.tiles(); ++tile) {
    const float* pixels[4];
    pixelsOf(t, tile, to.channels, image, zeros, pixels);
    outputGradientToForm(pixels, to.channels, to.values + (firstTile + tile) * to.channels, to.apart);
  }
}

// How the gradient in weights is summed over a batch.
struct WeightSums {
  int64_t in, out, tiles, runs;
  bool isWhole;  // whether all forms are kept, for one sum

  WeightSums(const ConvGeometry& g, int64_t images)
      : in(g.largeChannels),
        out(g.smallChannels),
        tiles(images * tilingOf(g).tiles()),
        runs(std::min(images, kPartialSums)),
        isWhole(tiles * (in + out) <= runs * in * out) {}
  int64_t size() const { return kWinogradPlaces * in * out; }  // of one sum
};

// sums = the sum over the images' tiles, in runs.
void addInRuns(Pool& pool, const ConvGeometry& g, int64_t images, const WeightSums& s, const float* small,
               const float* large, float* sums) {
  const Tiling tiling = tilingOf(g);
  const int64_t pixels = g.places(), atOnce = tiling.imagesAtOnce(), tiles = tiling.tiles();
  pool.run(s.runs, [&](int64_t run) {
    float* own = sums + run * s.size();
    const int64_t begin = images * run / s.runs, end = images * (run + 1) / s.runs;
    for (int64_t first = begin; first < end; first += atOnce) {
      const int64_t count = std::min(atOnce, end - first);
      const Forms inputs(Scratch::kInput, count * tiles, s.in),
          outputs(Scratch::kOutput, count * tiles, s.out);
      for (int64_t i = 0; i < count; ++i) {
        inputForms(tiling, large + (first + i) * pixels * s.in, i * tiles, inputs);
        outputGradientForms(tiling, small + (first + i) * pixels * s.out, i * tiles, outputs);
      }
      for (int64_t i = 0; i < kWinogradPlaces; ++i) {
        multiplyTransposed(s.out, s.in, count * tiles, outputs.place(i), s.out, inputs.place(i), s.in,
                           own + i * s.in * s.out, s.in, first > begin);
      }
    }
  });
}

// sum = the same at once; the forms lie behind it.
void addWhole(Pool& pool, const ConvGeometry& g, int64_t images, const WeightSums& s, const float* small,
              const float* large, float* sum) {
  const Tiling tiling = tilingOf(g);
  const Forms inputs(sum + s.size(), s.tiles, s.in);
  const Forms outputs(inputs.values + Forms::sizeOf(s.tiles, s.in), s.tiles, s.out);
  pool.run(images, [&](int64_t image) {
    const int64_t first = image * tiling.tiles();
    inputForms(tiling, large + image * g.places() * s.in, first, inputs);
    outputGradientForms(tiling, small + image * g.places() * s.out, first, outputs);
  });
  const int64_t blocks = (s.out + kRows - 1) / kRows;
  pool.run(kWinogradPlaces * blocks, [&](int64_t block) {
    const int64_t place = block / blocks, first = block % blocks * kRows;
    multiplyTransposed(std::min(kRows, s.out - first), s.in, s.tiles, outputs.place(place) + first, s.out,
                       inputs.place(place), s.in, sum + (place * s.out + first) * s.in, s.in);
  });
}

}  // namespace

bool isWinograd(const ConvGeometry& g) {
  constexpr int64_t kFewestChannels = 16;
  return g.kernel == 3 && g.stride == 1 && g.padding == 1 && g.largeChannels >= kFewestChannels &&
         g.smallChannels >= kFewestChannels;
}

void winogradWeights(Pool& pool, const ConvGeometry& g, WinogradUse use, const float* weights, float* form) {
  const int64_t size = g.smallChannels * g.largeChannels;
  const auto taps = [&](int64_t k) { return weights + k * 9 * g.largeChannels; };
  if (use == WinogradUse::kToLarge) {
    pool.run(g.smallChannels, [&](int64_t k) {
      weightsToForm(taps(k), g.largeChannels, true, form + k * g.largeChannels, size);
    });
    return;
  }
  // Sixteen rows at a time, which fill a line of the turned matrices.
  pool.run((g.smallChannels + 15) / 16, [&](int64_t block) {
    const int64_t first = block * 16, rows = std::min<int64_t>(16, g.smallChannels - first);
    float* own = scratch(Scratch::kTurned, kWinogradPlaces * rows * g.largeChannels);
    for (int64_t k = 0; k < rows; ++k) {
      weightsToForm(taps(first + k), g.largeChannels, false, own + k * g.largeChannels,
                    rows * g.largeChannels);
    }
    for (int64_t i = 0; i < kWinogradPlaces; ++i) {
      transpose(own + i * rows * g.largeChannels, g.largeChannels, rows, g.largeChannels,
                form + i * size + first, g.smallChannels);
    }
  });
}

void winogradConvolve(Pool& pool, const ConvGeometry& g, WinogradUse use, int64_t images, const float* from,
                      const float* form, const ConvFinish& finish, float* to) {
  const bool isToSmall = use == WinogradUse::kToSmall;
  const int64_t in = isToSmall ? g.largeChannels : g.smallChannels;
  const int64_t out = isToSmall ? g.smallChannels : g.largeChannels;
  const Tiling tiling = tilingOf(g);
  const int64_t pixels = g.places(), atOnce = tiling.imagesAtOnce(), tiles = tiling.tiles();
  pool.run((images + atOnce - 1) / atOnce, [&](int64_t group) {
    const int64_t first = group * atOnce, count = std::min(atOnce, images - first);
    const Forms inputs(Scratch::kInput, count * tiles, in), outputs(Scratch::kOutput, count * tiles, out);
    for (int64_t i = 0; i < count; ++i) {
      inputForms(tiling, from + (first + i) * pixels * in, i * tiles, inputs);
    }
    for (int64_t i = 0; i < kWinogradPlaces; ++i) {
      multiplyRegisters(count * tiles, out, in, inputs.place(i), in, form + i * in * out, out,
                        outputs.place(i), out);
    }
    for (int64_t i = 0; i < count; ++i) {
      float* image = to + (first + i) * pixels * out;
      outputOf(tiling, outputs, i * tiles, image);
      finishImage(finish, first + i, image, pixels, out);
    }
  });
}

int64_t winogradGradientMemory(const ConvGeometry& g, int64_t images) {
  const WeightSums s(g, images);
  if (!s.isWhole) return s.runs * s.size();
  return s.size() + Forms::sizeOf(s.tiles, s.in) + Forms::sizeOf(s.tiles, s.out);
}

void winogradWeightGradient(Pool& pool, const ConvGeometry& g, int64_t images, const float* small,
                            const float* large, float* memory, float* dweights) {
  const WeightSums s(g, images);
  (s.isWhole ? addWhole : addInRuns)(pool, g, images, s, small, large, memory);
  pool.run(s.out, [&](int64_t k) {
    formToWeightGradients(memory + k * s.in, s.in * s.out, s.isWhole ? 1 : s.runs, s.size(), s.in,
                          dweights + k * 9 * s.in);
  });
}

}  // namespace torchvae::cpu
