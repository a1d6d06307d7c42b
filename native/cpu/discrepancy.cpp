#include "cpu/discrepancy.h"

#include <algorithm>
#include <vector>

#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

constexpr int64_t kBlock = 256;  // other points at a time: all that is kept of them stays in the first cache
constexpr int64_t kTileRows = 16;

template <bool kRadial>
TORCHVAE_VECTORIZED void addKernel(const float* distance, int64_t count, float c, float* value,
                                   float* slope) {
  const float inverse = 1.0f / c;
  for (int64_t j = 0; j < count; ++j) {
    const float k = kRadial ? vec::exp(-distance[j] * inverse) : c / (distance[j] + c);
    value[j] += k;
    slope[j] -= (kRadial ? k : k * k) * inverse;
  }
}

// distance[j] = |p_i - p_j|^2 for the `count` points from `first` on; `columns` are the points transposed.
TORCHVAE_VECTORIZED void distances(const TwoSamples& s, const float* columns, int64_t i, int64_t first,
                                   int64_t count, float* distance) {
  std::fill_n(distance, count, 0.0f);
  for (int64_t d = 0; d < s.dimensions; ++d) {
    const float own = s.points[i * s.dimensions + d];
    const float* others = columns + d * 2 * s.n + first;
    for (int64_t j = 0; j < count; ++j) distance[j] += (others[j] - own) * (others[j] - own);
  }
}

// The sum of sixteen lanes, in pairs.
TORCHVAE_INLINE float total(float (&lanes)[16]) {
  for (int64_t width = 8; width > 0; width /= 2) {
    for (int64_t k = 0; k < width; ++k) lanes[k] += lanes[k + width];
  }
  return lanes[0];
}

// Each value times its weight: their sum.
TORCHVAE_VECTORIZED float weightedSum(const float* value, const float* weight, int64_t count) {
  float lanes[16] = {};
  const int64_t whole = count / 16 * 16;
  for (int64_t j = 0; j < whole; j += 16) {
    for (int64_t k = 0; k < 16; ++k) lanes[k] += value[j + k] * weight[j + k];
  }
  for (int64_t j = whole; j < count; ++j) lanes[j - whole] += value[j] * weight[j];
  return total(lanes);
}

// gradient[d] += 4 sum over j of slope[j] weight[j] (p_i,d - p_j,d): twice for the square of the distance,
// and twice since each pair counts twice. Leaves slope times weight in `slope`.
TORCHVAE_VECTORIZED void addGradient(const TwoSamples& s, const float* columns, int64_t i, int64_t first,
                                     int64_t count, const float* weight, float* slope, float* gradient) {
  for (int64_t j = 0; j < count; ++j) slope[j] *= weight[j];
  const int64_t whole = count / 16 * 16;
  for (int64_t d = 0; d < s.dimensions; ++d) {
    const float own = s.points[i * s.dimensions + d];
    const float* others = columns + d * 2 * s.n + first;
    float lanes[16] = {};
    for (int64_t j = 0; j < whole; j += 16) {
      for (int64_t k = 0; k < 16; ++k) lanes[k] += slope[j + k] * (own - others[j + k]);
    }
    for (int64_t j = whole; j < count; ++j) lanes[j - whole] += slope[j] * (own - others[j]);
    gradient[d] += 4 * total(lanes);
  }
}

// The terms of point i with all others: the estimate's part, and the gradient in it unless that is null.
// `weights` [2 n] are those of the pairs, 0 for i.
double pointTerms(const TwoSamples& s, const float* columns, const float* weights, int64_t i,
                  float* gradient) {
  float distance[kBlock], value[kBlock], slope[kBlock];
  double sum = 0;
  if (gradient != nullptr) std::fill_n(gradient, s.dimensions, 0.0f);
  for (int64_t first = 0; first < 2 * s.n; first += kBlock) {
    const int64_t count = std::min(kBlock, 2 * s.n - first);
    distances(s, columns, i, first, count, distance);
    std::fill_n(value, count, 0.0f);
    std::fill_n(slope, count, 0.0f);
    for (const double scale : kKernelScales) {
      const auto add = s.isRadial ? addKernel<true> : addKernel<false>;
      add(distance, count, static_cast<float>(s.unit * scale), value, slope);
    }
    sum += weightedSum(value, weights + first, count);
    if (gradient != nullptr) addGradient(s, columns, i, first, count, weights + first, slope, gradient);
  }
  return sum;
}

// The weights of the pairs of a point of the first sample, or of the second, with all points.
std::vector<float> pairWeights(const TwoSamples& s, bool isSecond) {
  const auto n = static_cast<double>(s.n);
  const auto within = static_cast<float>(1 / (n * (n - 1))), between = static_cast<float>(-1 / (n * n));
  std::vector<float> weights(static_cast<size_t>(2 * s.n), between);
  std::fill_n(weights.begin() + (isSecond ? s.n : 0), s.n, within);
  return weights;
}

}  // namespace

double discrepancy(Pool& pool, const TwoSamples& s, int64_t wanted, float* gradient) {
  const int64_t all = 2 * s.n;
  std::vector<float> columns(static_cast<size_t>(all * s.dimensions));
  for (int64_t i = 0; i < all; ++i) {
    for (int64_t d = 0; d < s.dimensions; ++d) columns[d * all + i] = s.points[i * s.dimensions + d];
  }
  std::vector<double> terms(static_cast<size_t>(all));
  const std::vector<float> ofFirst = pairWeights(s, false), ofSecond = pairWeights(s, true);
  pool.run((all + kTileRows - 1) / kTileRows, [&](int64_t tile) {
    std::vector<float> weights;
    for (int64_t i = tile * kTileRows; i < std::min(all, (tile + 1) * kTileRows); ++i) {
      float* own = gradient == nullptr || i >= wanted ? nullptr : gradient + i * s.dimensions;
      weights = i < s.n ? ofFirst : ofSecond;
      weights[static_cast<size_t>(i)] = 0;
      terms[static_cast<size_t>(i)] = pointTerms(s, columns.data(), weights.data(), i, own);
    }
  });
  double total = 0;
  for (const double term : terms) total += term;
  return total;
}

}  // namespace torchvae::cpu
