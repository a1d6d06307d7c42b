#include "cpu/aggregate.h"

#include <algorithm>
#include <vector>

#include "cpu/lane_sum.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

constexpr float kLogTwoPi = 1.8378770664093453f;
constexpr float kLowest = -3.4e38f;
// Rows of z that are taken together, and whose part of the posteriors' gradients is summed apart: the sums
// have one order, whatever the threads.
constexpr int64_t kGroups = 8;

// The posteriors dimension by dimension, so that a loop over them is one over their memory:
// log q(z_d|x_j) = constant_j - precision_j / 2 (z_d - mean_j)^2.
struct Columns {
  int64_t count;
  std::vector<float> memory;  // [dimensions, 3, count]

  explicit Columns(const BatchPosteriors& b)
      : count(b.rows), memory(static_cast<size_t>(3 * b.rows * b.dimensions)) {}
  const float* mean(int64_t d) const { return memory.data() + 3 * d * count; }
  const float* precision(int64_t d) const { return mean(d) + count; }
  const float* constant(int64_t d) const { return mean(d) + 2 * count; }
};

TORCHVAE_VECTORIZED void fillColumn(const BatchPosteriors& b, int64_t d, float* to) {
  float *mean = to, *precision = to + b.rows, *constant = to + 2 * b.rows;
  for (int64_t j = 0; j < b.rows; ++j) {
    mean[j] = b.mean[j * b.dimensions + d];
    constant[j] = b.logVariance[j * b.dimensions + d];
  }
  for (int64_t j = 0; j < b.rows; ++j) precision[j] = vec::exp(-constant[j]);
  for (int64_t j = 0; j < b.rows; ++j) constant[j] = -0.5f * (constant[j] + kLogTwoPi);
}

Columns columnsOf(const BatchPosteriors& b) {
  Columns columns(b);
  for (int64_t d = 0; d < b.dimensions; ++d) fillColumn(b, d, columns.memory.data() + 3 * d * b.rows);
  return columns;
}

// log(sum over j of exp(values[j])).
TORCHVAE_VECTORIZED float logSumExp(const float* values, int64_t count) {
  const int64_t whole = count / 16 * 16;
  float lanes[16];
  std::fill_n(lanes, 16, kLowest);
  for (int64_t j = 0; j < whole; j += 16) {
    for (int64_t k = 0; k < 16; ++k) lanes[k] = values[j + k] > lanes[k] ? values[j + k] : lanes[k];
  }
  float largest = kLowest;
  for (const float lane : lanes) largest = std::max(largest, lane);
  for (int64_t j = whole; j < count; ++j) largest = std::max(largest, values[j]);
  LaneSum sum;
  for (int64_t j = 0; j < whole; j += 16) {
    for (int64_t k = 0; k < 16; ++k) sum.lane[k] += vec::exp(values[j + k] - largest);
  }
  for (int64_t j = whole; j < count; ++j) sum.lane[j - whole] += vec::exp(values[j] - largest);
  return largest + vec::log(static_cast<float>(sum.total()));
}

// to[j] = log q(z_d|x_j) + weight[j], and sums[j] += log q(z_d|x_j).
TORCHVAE_VECTORIZED void addDensities(const Columns& c, int64_t d, float z, const float* __restrict__ weight,
                                      float* __restrict__ to, float* __restrict__ sums) {
  const float* __restrict__ mean = c.mean(d);
  const float* __restrict__ precision = c.precision(d);
  const float* __restrict__ constant = c.constant(d);
  for (int64_t j = 0; j < c.count; ++j) {
    const float difference = z - mean[j];
    const float density = constant[j] - 0.5f * (difference * difference * precision[j]);
    to[j] = density + weight[j];
    sums[j] += density;
  }
}

// to[j] = scale exp(values[j] - offset).
TORCHVAE_VECTORIZED void scaledExponentials(const float* __restrict__ values, int64_t count, float offset,
                                            float scale, float* __restrict__ to) {
  for (int64_t j = 0; j < count; ++j) to[j] = scale * vec::exp(values[j] - offset);
}

// The row's own densities: each [dimensions, rows] with the weight added, and their sums with it, [rows].
struct RowDensities {
  float* each;
  float* sums;
  const float* weight;

  RowDensities(const BatchPosteriors& b, const Columns& columns, int64_t i, float* scratch)
      : each(scratch), sums(scratch + b.dimensions * b.rows), weight(sums + b.rows) {
    float* weights = sums + b.rows;
    if (b.logWeight == nullptr) {
      std::fill_n(weights, b.rows, 0.0f);
    } else {
      std::copy_n(b.logWeight + i * b.rows, b.rows, weights);
    }
    std::copy_n(weights, b.rows, sums);
    for (int64_t d = 0; d < b.dimensions; ++d) {
      addDensities(columns, d, b.z[i * b.dimensions + d], weight, each + d * b.rows, sums);
    }
  }

  static size_t scratchSize(const BatchPosteriors& b) {
    return static_cast<size_t>((b.dimensions + 3) * b.rows);
  }
};

// Of one dimension of a row, with coefficient_j = ofJoint[j] + `slope` exp(log q(z_d|x_j) - marginal), the
// factor of d log q(z_d|x_j): adds to the gradients in the posteriors, and returns that in z_d. `density` is
// overwritten.
TORCHVAE_VECTORIZED float addGradients(const Columns& c, int64_t d, float z, float* __restrict__ density,
                                       const float* __restrict__ ofJoint, float marginal, float slope,
                                       float* __restrict__ dmean, float* __restrict__ dlogVariance) {
  const float* __restrict__ mean = c.mean(d);
  const float* __restrict__ precision = c.precision(d);
  for (int64_t j = 0; j < c.count; ++j) {
    const float coefficient = ofJoint[j] + slope * vec::exp(density[j] - marginal);
    const float difference = z - mean[j];
    const float scaled = difference * precision[j];
    dmean[j] += coefficient * scaled;
    dlogVariance[j] += 0.5f * coefficient * (difference * scaled - 1.0f);
    density[j] = coefficient * scaled;
  }
  LaneSum sum;
  const int64_t whole = c.count / 16 * 16;
  for (int64_t j = 0; j < whole; j += 16) {
    for (int64_t k = 0; k < 16; ++k) sum.lane[k] -= density[j + k];
  }
  for (int64_t j = whole; j < c.count; ++j) sum.lane[j - whole] -= density[j];
  return static_cast<float>(sum.total());
}

// Calls body(group, first, last, scratch) for groups of rows.
template <class Body>
void forGroups(Pool& pool, const BatchPosteriors& b, const Body& body) {
  pool.run(kGroups, [&](int64_t group) {
    thread_local std::vector<float> scratch;
    scratch.resize(RowDensities::scratchSize(b));
    body(group, b.rows * group / kGroups, b.rows * (group + 1) / kGroups, scratch.data());
  });
}

}  // namespace

void aggregateLogDensities(Pool& pool, const BatchPosteriors& b, float* joint, float* marginals) {
  const Columns columns = columnsOf(b);
  forGroups(pool, b, [&](int64_t /*group*/, int64_t first, int64_t last, float* scratch) {
    for (int64_t i = first; i < last; ++i) {
      const RowDensities row(b, columns, i, scratch);
      joint[i] = logSumExp(row.sums, b.rows);
      for (int64_t d = 0; d < b.dimensions; ++d) {
        marginals[i * b.dimensions + d] = logSumExp(row.each + d * b.rows, b.rows);
      }
    }
  });
}

void aggregateLogDensitiesBackward(Pool& pool, const BatchPosteriors& b, const float* joint,
                                   const float* marginals, const AggregateGradients& gradients, float* dz,
                                   float* dmean, float* dlogVariance) {
  const Columns columns = columnsOf(b);
  const int64_t size = b.rows * b.dimensions;
  // Of each group: the gradients in the means, then in the log-variances, [dimensions, rows] each.
  std::vector<float> parts(static_cast<size_t>(kGroups * 2 * size));
  forGroups(pool, b, [&](int64_t group, int64_t first, int64_t last, float* scratch) {
    float* own = parts.data() + group * 2 * size;
    float* ofJoint = scratch + (b.dimensions + 2) * b.rows;
    for (int64_t i = first; i < last; ++i) {
      const RowDensities row(b, columns, i, scratch);
      scaledExponentials(row.sums, b.rows, joint[i], gradients.joint[i], ofJoint);
      for (int64_t d = 0; d < b.dimensions; ++d) {
        const int64_t at = i * b.dimensions + d;
        dz[at] = addGradients(columns, d, b.z[at], row.each + d * b.rows, ofJoint, marginals[at],
                              gradients.marginals[at], own + d * b.rows, own + size + d * b.rows);
      }
    }
  });
  for (int64_t j = 0; j < b.rows; ++j) {
    for (int64_t d = 0; d < b.dimensions; ++d) {
      float mean = 0, logVariance = 0;
      for (int64_t group = 0; group < kGroups; ++group) {
        const float* part = parts.data() + group * 2 * size + d * b.rows + j;
        mean += part[0];
        logVariance += part[size];
      }
      dmean[j * b.dimensions + d] = mean;
      dlogVariance[j * b.dimensions + d] = logVariance;
    }
  }
}

}  // namespace torchvae::cpu
