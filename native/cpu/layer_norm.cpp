#include "cpu/layer_norm.h"

#include <cmath>
#include <vector>

#include "cpu/activation.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

// A row's sum in sixteen lanes, which are added up in pairs.
struct RowSum {
  float lane[16] = {};

  TORCHVAE_INLINE float total() {
    for (int64_t width = 8; width > 0; width /= 2) {
      for (int64_t k = 0; k < width; ++k) lane[k] += lane[k + width];
    }
    return lane[0];
  }
};

// body(c, lane) for each channel c.
template <class Body>
TORCHVAE_INLINE void forLanes(int64_t channels, const Body& body) {
  const int64_t whole = channels / 16 * 16;
  for (int64_t first = 0; first < whole; first += 16) {
    for (int64_t k = 0; k < 16; ++k) body(first + k, k);
  }
  for (int64_t c = whole; c < channels; ++c) body(c, c - whole);
}

TORCHVAE_INLINE RowMoments momentsOf(const float* x, int64_t channels, float epsilon) {
  const float share = 1.0f / static_cast<float>(channels);
  RowSum sum, squares;
  forLanes(channels, [&](int64_t c, int64_t k) { sum.lane[k] += x[c]; });
  const float mean = sum.total() * share;
  forLanes(channels, [&](int64_t c, int64_t k) {
    const float difference = x[c] - mean;
    squares.lane[k] += difference * difference;
  });
  return {mean, 1.0f / std::sqrt(squares.total() * share + epsilon)};
}

template <ActivationKind kind>
TORCHVAE_VECTORIZED void normalizeTile(const LayerNormalization& n, const float* x, int64_t rows,
                                       int64_t channels, float* y, float* slope, RowMoments* moments) {
  const float* __restrict weight = n.weight, * __restrict bias = n.bias;
  for (int64_t r = 0; r < rows; ++r) {
    const float* __restrict from = x + r * channels;
    float* __restrict to = y + r * channels;
    const RowMoments row = momentsOf(from, channels, n.epsilon);
    if (moments != nullptr) moments[r] = row;
    for (int64_t c = 0; c < channels; ++c) {
      to[c] = (from[c] - row.mean) * row.inverse * weight[c] + bias[c];
    }
    if constexpr (keptOf(kind) == KeptOf::kSlope) {
      if (slope != nullptr) {
        for (int64_t c = 0; c < channels; ++c) slope[r * channels + c] = slopeAt<kind>(to[c], 0.0f);
      }
    }
    for (int64_t c = 0; c < channels; ++c) to[c] = activate<kind>(to[c]);
  }
}

// What goes through backward of one tile.
struct TileInput {
  const float *x, *kept, *dy, *beside;
  const RowMoments* moments;
  int64_t rows, channels;
};

// ofBias [channels] = the sums of the gradients before the activation, ofWeight of these times x normalized;
// dx unless it is null. With a = gradient * weight, dx = inverse * (a - mean(a) - normalized * mean(a *
// normalized)).
template <ActivationKind kind>
TORCHVAE_VECTORIZED void tileBackward(const LayerNormalization& n, const TileInput& t,
                                      float* __restrict ofBias, float* __restrict ofWeight, float* dx) {
  const int64_t channels = t.channels;
  const float* __restrict weight = n.weight;
  const float share = 1.0f / static_cast<float>(channels);
  for (int64_t c = 0; c < channels; ++c) ofBias[c] = ofWeight[c] = 0;
  for (int64_t r = 0; r < t.rows; ++r) {
    const float* __restrict x = t.x + r * channels, * __restrict kept = t.kept + r * channels, * __restrict dy = t.dy + r * channels;
    const auto [mean, inverse] = t.moments[r];
    RowSum sum, tilt;
    forLanes(channels, [&, mean = mean, inverse = inverse](int64_t c, int64_t k) {
      const float gradient = dy[c] * activationSlope<kind>(kept[c]);
      const float normalized = (x[c] - mean) * inverse;
      ofBias[c] += gradient;
      ofWeight[c] += gradient * normalized;
      sum.lane[k] += gradient * weight[c];
      tilt.lane[k] += gradient * weight[c] * normalized;
    });
    if (dx == nullptr) continue;
    float* __restrict to = dx + r * channels;
    const float shift = sum.total() * share, lean = tilt.total() * share;
    for (int64_t c = 0; c < channels; ++c) {
      const float gradient = dy[c] * activationSlope<kind>(kept[c]);
      to[c] = (gradient * weight[c] - shift - (x[c] - mean) * inverse * lean) * inverse;
    }
    if (t.beside == nullptr) continue;
    for (int64_t c = 0; c < channels; ++c) to[c] += t.beside[r * channels + c];
  }
}

}  // namespace

void normalizeRows(Pool& pool, const NormShape& shape, const LayerNormalization& n, const float* x, float* y,
                   float* slope, RowMoments* moments) {
  withActivation(n.activation, [&](auto kind) {
    forNormTiles(pool, shape, [&](int64_t, int64_t first, int64_t rows) {
      const int64_t at = first * shape.channels;
      normalizeTile<kind.value>(n, x + at, rows, shape.channels, y + at,
                                slope == nullptr ? nullptr : slope + at,
                                moments == nullptr ? nullptr : moments + first);
    });
  });
}

void normalizeRowsBackward(Pool& pool, const NormShape& shape, const LayerNormalization& n, const float* x,
                           const RowMoments* moments, const float* kept, const float* dy, const float* beside,
                           const NormGradients& gradients) {
  const int64_t channels = shape.channels, tiles = normTileCount(shape);
  std::vector<float> parts(static_cast<size_t>(tiles * 2 * channels));
  withActivation(n.activation, [&](auto kind) {
    forNormTiles(pool, shape, [&](int64_t tile, int64_t first, int64_t rows) {
      const int64_t at = first * channels;
      float* sums = parts.data() + tile * 2 * channels;
      const TileInput input{x + at,          kept + at, dy + at, beside == nullptr ? nullptr : beside + at,
                            moments + first, rows,      channels};
      tileBackward<kind.value>(n, input, sums, sums + channels,
                               gradients.x == nullptr ? nullptr : gradients.x + at);
    });
  });
  addNormTiles(parts.data(), tiles, 2 * channels, channels, gradients.bias);
  addNormTiles(parts.data() + channels, tiles, 2 * channels, channels, gradients.weight);
}

}  // namespace torchvae::cpu
