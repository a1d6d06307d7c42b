#include "cpu/discrepancy.h"

#include <algorithm>
#include <vector>

#include "cpu/lane_sum.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

constexpr int64_t kBlock = 256;  // other points at a time: all that is kept of them stays in the first cache
constexpr int64_t kTileRows = 8;
constexpr int64_t kLanes = 16;
constexpr int64_t kTerms = kKernelScales.size();

using Widths = std::array<float, kTerms>;  // c of each of the kernel's terms

// All points dimension by dimension, [dimensions, 2 n]: those of the first sample, then of the second.
struct Points {
  int64_t all, dimensions;
  std::vector<float> columns;

  Points(Pool& pool, const TwoSamples& s)
      : all(2 * s.n), dimensions(s.dimensions), columns(static_cast<size_t>(all * dimensions)) {
    pool.run(dimensions, [&](int64_t d) {
      float* to = columns.data() + d * all;
      for (int64_t i = 0; i < s.n; ++i) to[i] = s.first[i * s.firstRow + d];
      for (int64_t i = 0; i < s.n; ++i) to[s.n + i] = s.second[i * s.secondRow + d];
    });
  }
};

// distance[j] = |p_i - p_j|^2 for the `count` points from `first` on.
TORCHVAE_VECTORIZED void distances(const Points& p, int64_t i, int64_t first, int64_t count,
                                   float* __restrict__ distance) {
  std::fill_n(distance, count, 0.0f);
  for (int64_t d = 0; d < p.dimensions; ++d) {
    const float* __restrict__ column = p.columns.data() + d * p.all;
    const float own = column[i];
    for (int64_t j = 0; j < count; ++j) {
      const float difference = column[first + j] - own;
      distance[j] += difference * difference;
    }
  }
}

// Of squared distances: the kernel and its derivative.
TORCHVAE_VECTORIZED void radialKernels(const float* __restrict__ distance, int64_t count, Widths c,
                                       float* __restrict__ value, float* __restrict__ slope) {
  std::fill_n(value, count, 0.0f);
  std::fill_n(slope, count, 0.0f);
  for (const float width : c) {
    const float inverse = 1.0f / width;
    for (int64_t j = 0; j < count; ++j) {
      const float k = vec::exp(-distance[j] * inverse);
      value[j] += k;
      slope[j] -= k * inverse;
    }
  }
}

// Two terms share a division, as the quotients of 1 / (x y) by x and y.
TORCHVAE_VECTORIZED void multiquadraticKernels(const float* __restrict__ distance, int64_t count, Widths c,
                                               float* __restrict__ value, float* __restrict__ slope) {
  static_assert(kTerms % 2 == 1);
  for (int64_t j = 0; j < count; ++j) {
    const float alone = 1.0f / (distance[j] + c[0]);
    float sum = c[0] * alone, ofSum = c[0] * alone * alone;
#pragma GCC unroll 3
    for (size_t k = 1; k < kTerms; k += 2) {
      const float x = distance[j] + c[k], y = distance[j] + c[k + 1], quotient = 1.0f / (x * y);
      const float ofX = y * quotient, ofY = x * quotient;
      const float first = c[k] * ofX, second = c[k + 1] * ofY;
      sum += first + second;
      ofSum += first * ofX + second * ofY;
    }
    value[j] = sum;
    slope[j] = -ofSum;
  }
}

TORCHVAE_VECTORIZED double sumOf(const float* values, int64_t count) {
  LaneSum sum;
  const int64_t whole = count / kLanes * kLanes;
  for (int64_t j = 0; j < whole; j += kLanes) {
    for (int64_t k = 0; k < kLanes; ++k) sum.lane[k] += values[j + k];
  }
  for (int64_t j = whole; j < count; ++j) sum.lane[j - whole] += values[j];
  return sum.total();
}

// sums[d] += the sum over j of weight slope[j] (p_i,d - p_j,d). Leaves slope times weight in `slope`.
TORCHVAE_VECTORIZED void addGradient(const Points& p, int64_t i, int64_t first, int64_t count, float weight,
                                     float* __restrict__ slope, LaneSum* __restrict__ sums) {
  for (int64_t j = 0; j < count; ++j) slope[j] *= weight;
  const int64_t whole = count / kLanes * kLanes;
  for (int64_t d = 0; d < p.dimensions; ++d) {
    const float* __restrict__ column = p.columns.data() + d * p.all;
    const float* __restrict__ others = column + first;
    const float own = column[i];
    LaneSum sum = sums[d];
    for (int64_t j = 0; j < whole; j += kLanes) {
      for (int64_t k = 0; k < kLanes; ++k) sum.lane[k] += slope[j + k] * (own - others[j + k]);
    }
    for (int64_t j = whole; j < count; ++j) sum.lane[j - whole] += slope[j] * (own - others[j]);
    sums[d] = sum;
  }
}

// Points [first, last), each of which makes a pair of this weight with the point in question.
struct Others {
  int64_t first, last;
  double weight;
};

class Estimate {
 public:
  Estimate(const TwoSamples& s, const Points& points, const DiscrepancyGradients& to)
      : s_(s), points_(points), to_(to) {
    const double unit = kernelUnit(s.dimensions);
    for (size_t k = 0; k < kTerms; ++k) widths_[k] = static_cast<float>(unit * kKernelScales[k]);
  }

  // The estimate's part that point i of both samples accounts for, and the gradient in it. A pair of which
  // one point alone has a gradient, or none, is seen once and counts twice.
  double termsOf(int64_t i) const {
    const auto n = static_cast<double>(s_.n);
    const bool isFirst = i < s_.n;
    const int64_t own = isFirst ? 0 : s_.n, other = s_.n - own;
    float* gradient = isFirst ? to_.first : to_.second;
    const int64_t from = gradient == nullptr ? i + 1 : own;
    const bool isOtherSeen = isFirst || gradient != nullptr;
    const bool isOtherTwice = to_.first != nullptr && to_.second != nullptr;
    std::vector<LaneSum> sums(static_cast<size_t>(gradient == nullptr ? 0 : s_.dimensions));
    const Others within{from, own + s_.n, 1 / (n * (n - 1))};
    double total = (gradient == nullptr ? 2 : 1) * add(i, within, sums);
    if (isOtherSeen) {
      total += (isOtherTwice ? 1 : 2) * add(i, {other, other + s_.n, -1 / (n * n)}, sums);
    }
    if (gradient == nullptr) return total;
    // Twice for the square of the distance, and twice since each pair counts twice.
    for (int64_t d = 0; d < s_.dimensions; ++d) {
      gradient[(i - own) * to_.row + d] =
          static_cast<float>(4 * to_.factor * sums[static_cast<size_t>(d)].total());
    }
    return total;
  }

 private:
  double add(int64_t i, const Others& others, std::vector<LaneSum>& sums) const {
    float distance[kBlock], value[kBlock], slope[kBlock];
    double total = 0;
    for (int64_t first = others.first; first < others.last; first += kBlock) {
      const int64_t count = std::min(kBlock, others.last - first);
      distances(points_, i, first, count, distance);
      (s_.isRadial ? radialKernels : multiquadraticKernels)(distance, count, widths_, value, slope);
      if (i >= first && i < first + count) value[i - first] = 0;  // a point makes no pair with itself
      total += sumOf(value, count);
      if (sums.empty()) continue;
      addGradient(points_, i, first, count, static_cast<float>(others.weight), slope, sums.data());
    }
    return others.weight * total;
  }

  const TwoSamples& s_;
  const Points& points_;
  const DiscrepancyGradients& to_;
  Widths widths_{};
};

}  // namespace

double discrepancy(Pool& pool, const TwoSamples& s, const DiscrepancyGradients& to) {
  const Points points(pool, s);
  const Estimate estimate(s, points, to);
  std::vector<double> terms(static_cast<size_t>(points.all));
  pool.run((points.all + kTileRows - 1) / kTileRows, [&](int64_t tile) {
    for (int64_t i = tile * kTileRows; i < std::min(points.all, (tile + 1) * kTileRows); ++i) {
      terms[static_cast<size_t>(i)] = estimate.termsOf(i);
    }
  });
  double total = 0;
  for (const double term : terms) total += term;
  return total;
}

}  // namespace torchvae::cpu
