#include "cpu/batch_norm.h"

#include <algorithm>
#include <vector>

#include "cpu/activation.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

// means [channels], and sums of squares of what differs from them.
TORCHVAE_VECTORIZED void tileMoments(const float* x, int64_t rows, int64_t channels, float* means,
                                     float* squares) {
  for (int64_t c = 0; c < channels; ++c) means[c] = squares[c] = 0;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < channels; ++c) means[c] += x[r * channels + c];
  }
  const float share = 1.0f / static_cast<float>(rows);
  for (int64_t c = 0; c < channels; ++c) means[c] *= share;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < channels; ++c) {
      const float difference = x[r * channels + c] - means[c];
      squares[c] += difference * difference;
    }
  }
}

template <ActivationKind kind>
TORCHVAE_VECTORIZED void normalizeTile(const Normalization& n, const float* x, int64_t rows, int64_t channels,
                                       float* y, float* slope) {
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t at = r * channels;
    for (int64_t c = 0; c < channels; ++c) {
      y[at + c] = (x[at + c] - n.mean[c]) * n.inverse[c] * n.weight[c] + n.bias[c];
    }
    if constexpr (keptOf(kind) == KeptOf::kSlope) {
      if (slope != nullptr) {
        for (int64_t c = 0; c < channels; ++c) slope[at + c] = slopeAt<kind>(y[at + c], 0.0f);
      }
    }
    for (int64_t c = 0; c < channels; ++c) y[at + c] = activate<kind>(y[at + c]);
  }
}

// What goes through backward of one tile.
struct TileInput {
  const float *x, *kept, *dy;
  int64_t rows, channels;
};

// ofBias [channels] = the sums of the gradients before the activation, ofWeight of these times x normalized.
template <ActivationKind kind>
TORCHVAE_VECTORIZED void tileSums(const Normalization& n, const TileInput& t, float* ofBias,
                                  float* ofWeight) {
  for (int64_t c = 0; c < t.channels; ++c) ofBias[c] = ofWeight[c] = 0;
  for (int64_t r = 0; r < t.rows; ++r) {
    const int64_t at = r * t.channels;
    for (int64_t c = 0; c < t.channels; ++c) {
      const float gradient = t.dy[at + c] * activationSlope<kind>(t.kept[at + c]);
      ofBias[c] += gradient;
      ofWeight[c] += gradient * (t.x[at + c] - n.mean[c]);
    }
  }
  for (int64_t c = 0; c < t.channels; ++c) ofWeight[c] *= n.inverse[c];
}

// `shift` and `tilt` [channels] are what the gradient loses through the mean and through the variance.
template <ActivationKind kind>
TORCHVAE_VECTORIZED void tileGradient(const Normalization& n, const TileInput& t, const float* shift,
                                      const float* tilt, float* dx) {
  for (int64_t r = 0; r < t.rows; ++r) {
    const int64_t at = r * t.channels;
    for (int64_t c = 0; c < t.channels; ++c) {
      const float gradient = t.dy[at + c] * activationSlope<kind>(t.kept[at + c]);
      const float lost = shift[c] + (t.x[at + c] - n.mean[c]) * tilt[c];
      dx[at + c] = (gradient - lost) * n.inverse[c] * n.weight[c];
    }
  }
}

TORCHVAE_VECTORIZED void addValues(const float* from, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

}  // namespace

void channelMoments(Pool& pool, const NormShape& shape, const float* x, float* mean, float* variance) {
  const int64_t channels = shape.channels;
  std::vector<float> parts(static_cast<size_t>(normTileCount(shape) * 2 * channels));
  forNormTiles(pool, shape, [&](int64_t tile, int64_t first, int64_t rows) {
    float* means = parts.data() + tile * 2 * channels;
    tileMoments(x + first * channels, rows, channels, means, means + channels);
  });
  const auto addUp = [&](const auto& ofTile) {
    std::vector<double> sums(static_cast<size_t>(channels));
    const int64_t step = normTileRows(shape);
    for (int64_t tile = 0; tile < normTileCount(shape); ++tile) {
      const float* means = parts.data() + tile * 2 * channels;
      const auto rows = static_cast<double>(std::min(step, shape.rows - tile * step));
      for (int64_t c = 0; c < channels; ++c) {
        sums[static_cast<size_t>(c)] += ofTile(rows, c, means[c], means[channels + c]);
      }
    }
    for (double& sum : sums) sum /= static_cast<double>(shape.rows);
    return sums;
  };
  const std::vector<double> means =
      addUp([](double rows, int64_t, double tileMean, double) { return rows * tileMean; });
  const std::vector<double> variances = addUp([&](double rows, int64_t c, double tileMean, double squares) {
    const double difference = tileMean - means[static_cast<size_t>(c)];
    return squares + rows * difference * difference;
  });
  std::copy(means.begin(), means.end(), mean);
  std::copy(variances.begin(), variances.end(), variance);
}

void normalize(Pool& pool, const NormShape& shape, const Normalization& n, const float* x, float* y,
               float* slope) {
  withActivation(n.activation, [&](auto kind) {
    forNormTiles(pool, shape, [&](int64_t, int64_t first, int64_t rows) {
      const int64_t at = first * shape.channels;
      normalizeTile<kind.value>(n, x + at, rows, shape.channels, y + at,
                                slope == nullptr ? nullptr : slope + at);
    });
  });
}

void normalizeBackward(Pool& pool, const NormShape& shape, const Normalization& n, bool isOfBatch,
                       const float* x, const float* kept, const float* dy, const float* beside,
                       const NormGradients& gradients) {
  const int64_t channels = shape.channels, tiles = normTileCount(shape);
  const auto tileAt = [&](int64_t first, int64_t rows) {
    const int64_t at = first * channels;
    return TileInput{x + at, kept + at, dy + at, rows, channels};
  };
  std::vector<float> parts(static_cast<size_t>(tiles * 2 * channels));
  withActivation(n.activation, [&](auto kind) {
    forNormTiles(pool, shape, [&](int64_t tile, int64_t first, int64_t rows) {
      float* sums = parts.data() + tile * 2 * channels;
      tileSums<kind.value>(n, tileAt(first, rows), sums, sums + channels);
    });
    addNormTiles(parts.data(), tiles, 2 * channels, channels, gradients.bias);
    addNormTiles(parts.data() + channels, tiles, 2 * channels, channels, gradients.weight);
    if (gradients.x == nullptr) return;
    std::vector<float> shift(static_cast<size_t>(channels)), tilt(static_cast<size_t>(channels));
    if (isOfBatch) {
      const float share = 1.0f / static_cast<float>(shape.rows);
      for (int64_t c = 0; c < channels; ++c) {
        shift[static_cast<size_t>(c)] = gradients.bias[c] * share;
        tilt[static_cast<size_t>(c)] = gradients.weight[c] * share * n.inverse[c];
      }
    }
    forNormTiles(pool, shape, [&](int64_t, int64_t first, int64_t rows) {
      const int64_t at = first * channels;
      tileGradient<kind.value>(n, tileAt(first, rows), shift.data(), tilt.data(), gradients.x + at);
      if (beside != nullptr) addValues(beside + at, rows * channels, gradients.x + at);
    });
  });
}

}  // namespace torchvae::cpu
