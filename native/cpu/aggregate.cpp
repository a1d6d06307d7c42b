#include "cpu/aggregate.h"

#include <algorithm>
#include <vector>

#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

constexpr float kLogTwoPi = 1.8378770664093453f;
constexpr int64_t kTileRows = 4;

template <class Body>
void forRows(Pool& pool, int64_t rows, const Body& body) {
  pool.run((rows + kTileRows - 1) / kTileRows, [&](int64_t tile) {
    const int64_t last = std::min(rows, (tile + 1) * kTileRows);
    for (int64_t i = tile * kTileRows; i < last; ++i) body(i);
  });
}

TORCHVAE_VECTORIZED void precisionsOf(const float* logVariance, int64_t count, float* precision) {
  for (int64_t k = 0; k < count; ++k) precision[k] = vec::exp(-logVariance[k]);
}

std::vector<float> precisions(Pool& pool, const BatchPosteriors& b) {
  std::vector<float> precision(static_cast<size_t>(b.rows * b.dimensions));
  forRows(pool, b.rows, [&](int64_t j) {
    precisionsOf(b.logVariance + j * b.dimensions, b.dimensions, precision.data() + j * b.dimensions);
  });
  return precision;
}

// each [dimensions] = log q(z_i,d|x_j); returns their sum.
TORCHVAE_INLINE float densityOf(const BatchPosteriors& b, const float* precision, int64_t i, int64_t j,
                                float* each) {
  const float* z = b.z + i * b.dimensions;
  const int64_t at = j * b.dimensions;
  float sum = 0;
  for (int64_t d = 0; d < b.dimensions; ++d) {
    const float difference = z[d] - b.mean[at + d];
    each[d] = -0.5f * (difference * difference * precision[at + d] + b.logVariance[at + d] + kLogTwoPi);
  }
  for (int64_t d = 0; d < b.dimensions; ++d) sum += each[d];
  return sum;
}

TORCHVAE_INLINE float weightOf(const BatchPosteriors& b, int64_t i, int64_t j) {
  return b.logWeight == nullptr ? 0.0f : b.logWeight[i * b.rows + j];
}

// One row: log-sum-exp over j, of the sums and of each dimension. `each` [rows, dimensions] and `sums` [rows]
// are scratch.
TORCHVAE_VECTORIZED void aggregateRow(const BatchPosteriors& b, const float* precision, int64_t i,
                                      float* each, float* sums, float* joint, float* marginals) {
  const int64_t dimensions = b.dimensions;
  float largest = -3.4e38f;
  std::fill_n(marginals, dimensions, -3.4e38f);
  for (int64_t j = 0; j < b.rows; ++j) {
    float* own = each + j * dimensions;
    const float weight = weightOf(b, i, j);
    sums[j] = densityOf(b, precision, i, j, own) + weight;
    largest = sums[j] > largest ? sums[j] : largest;
    for (int64_t d = 0; d < dimensions; ++d) {
      own[d] += weight;
      marginals[d] = own[d] > marginals[d] ? own[d] : marginals[d];
    }
  }
  float total = 0;
  for (int64_t j = 0; j < b.rows; ++j) total += vec::exp(sums[j] - largest);
  *joint = largest + vec::log(total);
  float* totals = each + b.rows * dimensions;
  std::fill_n(totals, dimensions, 0.0f);
  for (int64_t j = 0; j < b.rows; ++j) {
    const float* own = each + j * dimensions;
    for (int64_t d = 0; d < dimensions; ++d) totals[d] += vec::exp(own[d] - marginals[d]);
  }
  for (int64_t d = 0; d < dimensions; ++d) marginals[d] += vec::log(totals[d]);
}

// What the pair (i, j) adds to the gradients of dimension d: coefficient[d] times d log q(z_i,d|x_j).
TORCHVAE_INLINE void coefficientsOf(const BatchPosteriors& b, const float* precision, const float* joint,
                                    const float* marginals, const AggregateGradients& g, int64_t i, int64_t j,
                                    float* coefficient) {
  const float weight = weightOf(b, i, j);
  const float sum = densityOf(b, precision, i, j, coefficient) + weight;
  const float ofJoint = g.joint[i] * vec::exp(sum - joint[i]);
  const float* own = marginals + i * b.dimensions;
  const float* slopes = g.marginals + i * b.dimensions;
  for (int64_t d = 0; d < b.dimensions; ++d) {
    coefficient[d] = ofJoint + slopes[d] * vec::exp(coefficient[d] + weight - own[d]);
  }
}

TORCHVAE_VECTORIZED void rowGradient(const BatchPosteriors& b, const float* precision, const float* joint,
                                     const float* marginals, const AggregateGradients& g, int64_t i,
                                     float* coefficient, float* dz) {
  const float* z = b.z + i * b.dimensions;
  std::fill_n(dz, b.dimensions, 0.0f);
  for (int64_t j = 0; j < b.rows; ++j) {
    coefficientsOf(b, precision, joint, marginals, g, i, j, coefficient);
    const int64_t at = j * b.dimensions;
    for (int64_t d = 0; d < b.dimensions; ++d) {
      dz[d] += coefficient[d] * (b.mean[at + d] - z[d]) * precision[at + d];
    }
  }
}

TORCHVAE_VECTORIZED void posteriorGradient(const BatchPosteriors& b, const float* precision,
                                           const float* joint, const float* marginals,
                                           const AggregateGradients& g, int64_t j, float* coefficient,
                                           float* dmean, float* dlogVariance) {
  const int64_t at = j * b.dimensions;
  std::fill_n(dmean, b.dimensions, 0.0f);
  std::fill_n(dlogVariance, b.dimensions, 0.0f);
  for (int64_t i = 0; i < b.rows; ++i) {
    coefficientsOf(b, precision, joint, marginals, g, i, j, coefficient);
    const float* z = b.z + i * b.dimensions;
    for (int64_t d = 0; d < b.dimensions; ++d) {
      const float difference = z[d] - b.mean[at + d];
      const float scaled = difference * precision[at + d];
      dmean[d] += coefficient[d] * scaled;
      dlogVariance[d] += 0.5f * coefficient[d] * (difference * scaled - 1.0f);
    }
  }
}

}  // namespace

void aggregateLogDensities(Pool& pool, const BatchPosteriors& b, float* joint, float* marginals) {
  const std::vector<float> precision = precisions(pool, b);
  forRows(pool, b.rows, [&](int64_t i) {
    thread_local std::vector<float> scratch;
    scratch.resize(static_cast<size_t>((b.rows + 1) * b.dimensions + b.rows));
    aggregateRow(b, precision.data(), i, scratch.data() + b.rows, scratch.data(), joint + i,
                 marginals + i * b.dimensions);
  });
}

void aggregateLogDensitiesBackward(Pool& pool, const BatchPosteriors& b, const float* joint,
                                   const float* marginals, const AggregateGradients& gradients, float* dz,
                                   float* dmean, float* dlogVariance) {
  const std::vector<float> precision = precisions(pool, b);
  forRows(pool, b.rows, [&](int64_t i) {
    thread_local std::vector<float> coefficient;
    coefficient.resize(static_cast<size_t>(b.dimensions));
    const int64_t at = i * b.dimensions;
    rowGradient(b, precision.data(), joint, marginals, gradients, i, coefficient.data(), dz + at);
    posteriorGradient(b, precision.data(), joint, marginals, gradients, i, coefficient.data(), dmean + at,
                      dlogVariance + at);
  });
}

}  // namespace torchvae::cpu
