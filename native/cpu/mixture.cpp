#include "cpu/mixture.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "cpu/softmax.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

constexpr int64_t kPoints = 8;       // of a tile
constexpr int64_t kComponents = 16;  // of a tile

// The components dimension by dimension, so that a loop over them is one over their memory: the density of
// component j is constant_j - sum over d of precision_dj / 2 (z_d - mean_dj)^2.
struct Columns {
  std::vector<float> mean, precision;  // [dimensions, components]
  std::vector<float> constant;         // [components], with the weight
};

TORCHVAE_VECTORIZED void exponentials(const float* logVariance, int64_t count, float* precision) {
  for (int64_t i = 0; i < count; ++i) precision[i] = vec::exp(-logVariance[i]);
}

Columns columnsOf(Pool& pool, const NormalMixture& m) {
  const auto size = static_cast<size_t>(m.components * m.dimensions);
  Columns columns{std::vector<float>(size), std::vector<float>(size),
                  std::vector<float>(static_cast<size_t>(m.components))};
  const double each = -0.5 * static_cast<double>(m.dimensions) * std::log(2 * std::numbers::pi);
  const double equal = m.logWeight == nullptr ? -std::log(static_cast<double>(m.components)) : 0;
  pool.run((m.components + kComponents - 1) / kComponents, [&](int64_t tile) {
    const int64_t last = std::min(m.components, (tile + 1) * kComponents);
    for (int64_t j = tile * kComponents; j < last; ++j) {
      double sum = 0;
      for (int64_t d = 0; d < m.dimensions; ++d) {
        const auto at = static_cast<size_t>(d * m.components + j);
        columns.mean[at] = m.mean[j * m.componentRow + d];
        columns.precision[at] = m.logVariance[j * m.componentRow + d];
        sum += columns.precision[at];
      }
      const double weight = m.logWeight == nullptr ? equal : m.logWeight[j];
      columns.constant[static_cast<size_t>(j)] = static_cast<float>(each + weight - 0.5 * sum);
    }
  });
  pool.run(m.dimensions, [&](int64_t d) {
    float* own = columns.precision.data() + d * m.components;
    exponentials(own, m.components, own);
  });
  return columns;
}

// each[j] -= precision[j] / 2 (z - mean[j])^2.
TORCHVAE_VECTORIZED void addDimension(float z, const float* __restrict__ mean,
                                      const float* __restrict__ precision, int64_t count,
                                      float* __restrict__ each) {
  for (int64_t j = 0; j < count; ++j) {
    const float difference = z - mean[j];
    each[j] -= 0.5f * (difference * difference * precision[j]);
  }
}

TORCHVAE_VECTORIZED void scale(float* values, int64_t count, float factor) {
  for (int64_t j = 0; j < count; ++j) values[j] *= factor;
}

// The log-density of one point; `shares` [components].
float densityOf(const NormalMixture& m, const Columns& columns, int64_t point, float* shares) {
  std::copy(columns.constant.begin(), columns.constant.end(), shares);
  for (int64_t d = 0; d < m.dimensions; ++d) {
    addDimension(m.z[point * m.dimensions + d], columns.mean.data() + d * m.components,
                 columns.precision.data() + d * m.components, m.components, shares);
  }
  const Softmax sum = softmaxExponentials(shares, m.components);
  scale(shares, m.components, sum.scale);
  return sum.logSum;
}

// dz = `gradient` sum over j of share_j (mean_j - z) precision_j.
TORCHVAE_VECTORIZED void pointGradient(const NormalMixture& m, const float* precision, const float* share,
                                       float gradient, int64_t point, float* dz) {
  const float* z = m.z + point * m.dimensions;
  for (int64_t d = 0; d < m.dimensions; ++d) dz[d] = 0;
  for (int64_t j = 0; j < m.components; ++j) {
    const float g = gradient * share[j];
    if (g == 0) continue;
    const float* mean = m.mean + j * m.componentRow;
    const float* p = precision + j * m.dimensions;
    for (int64_t d = 0; d < m.dimensions; ++d) dz[d] += g * (mean[d] - z[d]) * p[d];
  }
}

// With g_i = gradient_i share_ij: dmean_j = sum over i of g_i (z_i - mean) precision;
// dlogVariance_j = sum over i of g_i ((z_i - mean)^2 precision - 1) / 2. Returns the sum of g_i.
TORCHVAE_VECTORIZED float componentGradient(const NormalMixture& m, const float* precision,
                                            const float* shares, const float* gradient, int64_t component,
                                            float* dmean, float* dlogVariance) {
  const float* mean = m.mean + component * m.componentRow;
  const float* p = precision + component * m.dimensions;
  float sum = 0;
  for (int64_t d = 0; d < m.dimensions; ++d) dmean[d] = dlogVariance[d] = 0;
  for (int64_t i = 0; i < m.points; ++i) {
    const float g = gradient[i] * shares[i * m.components + component];
    if (g == 0) continue;
    sum += g;
    const float* z = m.z + i * m.dimensions;
    for (int64_t d = 0; d < m.dimensions; ++d) {
      const float difference = z[d] - mean[d];
      const float scaled = difference * p[d];
      dmean[d] += g * scaled;
      dlogVariance[d] += 0.5f * g * (difference * scaled - 1.0f);
    }
  }
  return sum;
}

}  // namespace

void mixtureLogDensities(Pool& pool, const NormalMixture& m, float* total, float* shares) {
  const Columns columns = columnsOf(pool, m);
  pool.run((m.points + kPoints - 1) / kPoints, [&](int64_t tile) {
    const int64_t last = std::min(m.points, (tile + 1) * kPoints);
    for (int64_t i = tile * kPoints; i < last; ++i) {
      total[i] = densityOf(m, columns, i, shares + i * m.components);
    }
  });
}

void mixtureLogDensitiesBackward(Pool& pool, const NormalMixture& m, const float* shares,
                                 const float* gradient, const MixtureGradients& to) {
  std::vector<float> precision(static_cast<size_t>(m.components * m.dimensions));
  const int64_t tiles = (m.components + kComponents - 1) / kComponents;
  pool.run(tiles, [&](int64_t tile) {
    const int64_t first = tile * kComponents, last = std::min(m.components, first + kComponents);
    for (int64_t j = first; j < last; ++j) {
      const int64_t row = j * m.componentRow;
      exponentials(m.logVariance + row, m.dimensions, precision.data() + j * m.dimensions);
      const float sum =
          componentGradient(m, precision.data(), shares, gradient, j, to.mean + row, to.logVariance + row);
      if (to.logWeight != nullptr) to.logWeight[j] = sum;
    }
  });
  pool.run((m.points + kPoints - 1) / kPoints, [&](int64_t tile) {
    const int64_t last = std::min(m.points, (tile + 1) * kPoints);
    for (int64_t i = tile * kPoints; i < last; ++i) {
      pointGradient(m, precision.data(), shares + i * m.components, gradient[i], i, to.z + i * m.dimensions);
    }
  });
}

}  // namespace torchvae::cpu
