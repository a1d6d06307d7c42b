#include "cpu/mixture.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

constexpr int64_t kPoints = 8;       // of a tile
constexpr int64_t kComponents = 16;  // of a tile

// precision [components, dimensions] = exp(-logVariance), and the logarithm of each component's normalizer.
struct Prepared {
  std::vector<float> precision;
  std::vector<float> normalizer;  // [components]
};

TORCHVAE_VECTORIZED float prepareRow(const float* logVariance, int64_t dimensions, float* precision) {
  float sum = 0;
  for (int64_t d = 0; d < dimensions; ++d) precision[d] = vec::exp(-logVariance[d]);
  for (int64_t d = 0; d < dimensions; ++d) sum += logVariance[d];
  return sum;
}

Prepared prepare(Pool& pool, const NormalMixture& m) {
  Prepared prepared{std::vector<float>(static_cast<size_t>(m.components * m.dimensions)),
                    std::vector<float>(static_cast<size_t>(m.components))};
  const auto constant =
      static_cast<float>(static_cast<double>(m.dimensions) * std::log(2 * std::numbers::pi));
  pool.run((m.components + kComponents - 1) / kComponents, [&](int64_t tile) {
    const int64_t last = std::min(m.components, (tile + 1) * kComponents);
    for (int64_t j = tile * kComponents; j < last; ++j) {
      const int64_t at = j * m.dimensions;
      const float sum = prepareRow(m.logVariance + at, m.dimensions, prepared.precision.data() + at);
      prepared.normalizer[static_cast<size_t>(j)] = -0.5f * (sum + constant);
    }
  });
  return prepared;
}

// sum over d of (z - mean)^2 precision.
TORCHVAE_INLINE float distance(const float* z, const float* mean, const float* precision,
                               int64_t dimensions) {
  float lanes[16] = {};
  const int64_t whole = dimensions / 16 * 16;
  for (int64_t d = 0; d < whole; d += 16) {
    for (int64_t k = 0; k < 16; ++k) {
      const float difference = z[d + k] - mean[d + k];
      lanes[k] += difference * difference * precision[d + k];
    }
  }
  for (int64_t d = whole; d < dimensions; ++d) {
    const float difference = z[d] - mean[d];
    lanes[d - whole] += difference * difference * precision[d];
  }
  for (int64_t width = 8; width > 0; width /= 2) {
    for (int64_t k = 0; k < width; ++k) lanes[k] += lanes[k + width];
  }
  return lanes[0];
}

TORCHVAE_VECTORIZED void densitiesOf(const NormalMixture& m, const float* precision, const float* normalizer,
                                     int64_t point, float* each) {
  const float* z = m.z + point * m.dimensions;
  for (int64_t j = 0; j < m.components; ++j) {
    const int64_t at = j * m.dimensions;
    each[j] = normalizer[j] - 0.5f * distance(z, m.mean + at, precision + at, m.dimensions);
  }
}

// dz = sum over j of gradient_j (mean_j - z) precision_j.
TORCHVAE_VECTORIZED void pointGradient(const NormalMixture& m, const float* precision, const float* gradient,
                                       int64_t point, float* dz) {
  const float* z = m.z + point * m.dimensions;
  for (int64_t d = 0; d < m.dimensions; ++d) dz[d] = 0;
  for (int64_t j = 0; j < m.components; ++j) {
    const float g = gradient[j];
    if (g == 0) continue;
    const float* mean = m.mean + j * m.dimensions;
    const float* p = precision + j * m.dimensions;
    for (int64_t d = 0; d < m.dimensions; ++d) dz[d] += g * (mean[d] - z[d]) * p[d];
  }
}

// dmean_j = sum over i of gradient_ij (z_i - mean) precision;
// dlogVariance_j = sum over i of gradient_ij ((z_i - mean)^2 precision - 1) / 2.
TORCHVAE_VECTORIZED void componentGradient(const NormalMixture& m, const float* precision,
                                           const float* gradient, int64_t component, float* dmean,
                                           float* dlogVariance) {
  const float* mean = m.mean + component * m.dimensions;
  const float* p = precision + component * m.dimensions;
  for (int64_t d = 0; d < m.dimensions; ++d) dmean[d] = dlogVariance[d] = 0;
  for (int64_t i = 0; i < m.points; ++i) {
    const float g = gradient[i * m.components + component];
    if (g == 0) continue;
    const float* z = m.z + i * m.dimensions;
    for (int64_t d = 0; d < m.dimensions; ++d) {
      const float difference = z[d] - mean[d];
      const float scaled = difference * p[d];
      dmean[d] += g * scaled;
      dlogVariance[d] += 0.5f * g * (difference * scaled - 1.0f);
    }
  }
}

}  // namespace

void normalLogDensities(Pool& pool, const NormalMixture& m, float* each) {
  const Prepared prepared = prepare(pool, m);
  pool.run((m.points + kPoints - 1) / kPoints, [&](int64_t tile) {
    const int64_t last = std::min(m.points, (tile + 1) * kPoints);
    for (int64_t i = tile * kPoints; i < last; ++i) {
      densitiesOf(m, prepared.precision.data(), prepared.normalizer.data(), i, each + i * m.components);
    }
  });
}

void normalLogDensitiesBackward(Pool& pool, const NormalMixture& m, const float* gradient,
                                const NormalGradients& to) {
  const Prepared prepared = prepare(pool, m);
  const float* precision = prepared.precision.data();
  pool.run((m.points + kPoints - 1) / kPoints, [&](int64_t tile) {
    const int64_t last = std::min(m.points, (tile + 1) * kPoints);
    for (int64_t i = tile * kPoints; i < last; ++i) {
      pointGradient(m, precision, gradient + i * m.components, i, to.z + i * m.dimensions);
    }
  });
  pool.run((m.components + kComponents - 1) / kComponents, [&](int64_t tile) {
    const int64_t last = std::min(m.components, (tile + 1) * kComponents);
    for (int64_t j = tile * kComponents; j < last; ++j) {
      componentGradient(m, precision, gradient, j, to.mean + j * m.dimensions,
                        to.logVariance + j * m.dimensions);
    }
  });
}

}  // namespace torchvae::cpu
