#include "cpu/aggregate.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "cpu/lane_sum.h"
#include "cpu/softmax.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

constexpr float kLogTwoPi = 1.8378770664093453f;
// Rows of z that are taken together, and whose part of the posteriors' gradients is summed apart: the sums
// have one order, whatever the threads.
constexpr int64_t kGroups = 8;

// One dimension of the posteriors, so that a loop over them is one over their memory:
// log q(z_d|x_j) = constant_j - precision_j / 2 (z_d - mean_j)^2.
struct Column {
  static constexpr int64_t kParts = 3;

  int64_t count;
  const float* mean;
  const float* precision;
  const float* constant;

  Column(const float* columns, int64_t d, int64_t rows)
      : count(rows), mean(columns + d * kParts * rows), precision(mean + rows), constant(precision + rows) {}
};

TORCHVAE_VECTORIZED void fillColumn(const BatchPosteriors& b, int64_t d, float* columns) {
  float* mean = columns + d * Column::kParts * b.rows;
  float *precision = mean + b.rows, *constant = precision + b.rows;
  for (int64_t j = 0; j < b.rows; ++j) {
    mean[j] = b.mean[j * b.headRow + d];
    constant[j] = b.logVariance[j * b.headRow + d];
  }
  for (int64_t j = 0; j < b.rows; ++j) precision[j] = vec::exp(-constant[j]);
  for (int64_t j = 0; j < b.rows; ++j) constant[j] = -0.5f * (constant[j] + kLogTwoPi);
}

// to[j] = log q(z_d|x_j) + weight[j], and sums[j] += log q(z_d|x_j).
TORCHVAE_VECTORIZED void addDensities(const Column& c, float z, const float* __restrict__ weight,
                                      float* __restrict__ to, float* __restrict__ sums) {
  const float* __restrict__ mean = c.mean;
  const float* __restrict__ precision = c.precision;
  const float* __restrict__ constant = c.constant;
  for (int64_t j = 0; j < c.count; ++j) {
    const float difference = z - mean[j];
    const float density = constant[j] - 0.5f * (difference * difference * precision[j]);
    to[j] = density + weight[j];
    sums[j] += density;
  }
}

TORCHVAE_VECTORIZED void scale(float* values, int64_t count, float factor) {
  for (int64_t j = 0; j < count; ++j) values[j] *= factor;
}

// Of one dimension of a row, with coefficient_j = ofJoint[j] + `slope` exponential[j], the factor of
// d log q(z_d|x_j): adds to the gradients in the posteriors, and returns that in z_d. `exponential` is
// overwritten.
TORCHVAE_VECTORIZED float addGradients(const Column& c, float z, float* __restrict__ exponential,
                                       const float* __restrict__ ofJoint, float slope,
                                       float* __restrict__ dmean, float* __restrict__ dlogVariance) {
  const float* __restrict__ mean = c.mean;
  const float* __restrict__ precision = c.precision;
  for (int64_t j = 0; j < c.count; ++j) {
    const float coefficient = ofJoint[j] + slope * exponential[j];
    const float difference = z - mean[j];
    const float scaled = difference * precision[j];
    dmean[j] += coefficient * scaled;
    dlogVariance[j] += 0.5f * coefficient * (difference * scaled - 1.0f);
    exponential[j] = coefficient * scaled;
  }
  LaneSum sum;
  const int64_t whole = c.count / 16 * 16;
  for (int64_t j = 0; j < whole; j += 16) {
    for (int64_t k = 0; k < 16; ++k) sum.lane[k] -= exponential[j + k];
  }
  for (int64_t j = whole; j < c.count; ++j) sum.lane[j - whole] -= exponential[j];
  return static_cast<float>(sum.total());
}

// to[j] = the sum over groups of parts that lie `apart`.
TORCHVAE_VECTORIZED void addGroups(const float* parts, int64_t apart, int64_t count, float* to) {
  for (int64_t j = 0; j < count; ++j) {
    float sum = 0;
    for (int64_t group = 0; group < kGroups; ++group) sum += parts[group * apart + j];
    to[j] = sum;
  }
}

// One row of z among all posteriors.
class Row {
 public:
  static size_t scratchSize(const BatchPosteriors& b) {
    return static_cast<size_t>((b.dimensions + 2) * b.rows);
  }

  Row(const BatchPosteriors& b, const float* columns, int64_t i, float* scratch)
      : b_(b),
        columns_(columns),
        z_(b.z + i * b.zRow),
        each_(scratch),
        sums_(scratch + b.dimensions * b.rows) {
    float* weight = sums_ + b.rows;
    std::fill_n(weight, b.rows, static_cast<float>(b.logWeight.other));
    weight[(i + b.rows - 1) % b.rows] = static_cast<float>(b.logWeight.previous);
    weight[i] = static_cast<float>(b.logWeight.own);
    std::copy_n(weight, b.rows, sums_);
    for (int64_t d = 0; d < b.dimensions; ++d) {
      addDensities(Column(columns, d, b.rows), z_[d], weight, each_ + d * b.rows, sums_);
    }
  }

  float joint() { return (joint_ = softmaxExponentials(sums_, b_.rows)).logSum; }

  float product() const {
    double sum = 0;
    for (int64_t d = 0; d < b_.dimensions; ++d)
      sum += softmaxExponentials(each_ + d * b_.rows, b_.rows).logSum;
    return static_cast<float>(sum);
  }

  // The same, with the gradients: dz [dimensions], and sums of the posteriors' [dimensions, rows] each. After
  // joint().
  float product(float ofJoint, float ofProduct, float* dz, float* dmean, float* dlogVariance) {
    scale(sums_, b_.rows, ofJoint * joint_.scale);
    double sum = 0;
    for (int64_t d = 0; d < b_.dimensions; ++d) {
      const int64_t at = d * b_.rows;
      const Softmax marginal = softmaxExponentials(each_ + at, b_.rows);
      sum += marginal.logSum;
      dz[d] = addGradients(Column(columns_, d, b_.rows), z_[d], each_ + at, sums_, ofProduct * marginal.scale,
                           dmean + at, dlogVariance + at);
    }
    return static_cast<float>(sum);
  }

 private:
  const BatchPosteriors& b_;
  const float* columns_;
  const float* z_;
  float* each_;  // [dimensions, rows]: log q(z_d|x_j) with the weights added, and then exponentials
  float* sums_;  // [rows]: their sums over d, with the weights added once
  Softmax joint_{};
};

}  // namespace

PairWeights pairWeights(bool isStratified, int64_t rows, int64_t examples) {
  const auto n = static_cast<double>(examples);
  if (!isStratified || rows < 2) {
    const double each = -std::log(static_cast<double>(rows) * n);
    return {each, each, each};
  }
  const auto m = static_cast<double>(rows - 1);
  return {-std::log(n), std::log((n - m) / (n * m)), -std::log(m)};
}

void AggregatePosterior::evaluate(const BatchPosteriors& b, const AggregateDensities& to,
                                  const AggregateGradients* gradients) {
  const int64_t size = b.rows * b.dimensions;
  columns_.resize(static_cast<size_t>(Column::kParts * size));
  pool_.run(b.dimensions, [&](int64_t d) { fillColumn(b, d, columns_.data()); });
  // Of each group: the gradients in the means, then in the log-variances, [dimensions, rows] each.
  if (gradients != nullptr) parts_.resize(static_cast<size_t>(kGroups * 2 * size));
  pool_.run(kGroups, [&](int64_t group) {
    thread_local std::vector<float> scratch;
    scratch.resize(Row::scratchSize(b));
    float* own = parts_.data() + group * 2 * size;
    if (gradients != nullptr) std::fill_n(own, 2 * size, 0.0f);
    for (int64_t i = b.rows * group / kGroups; i < b.rows * (group + 1) / kGroups; ++i) {
      Row row(b, columns_.data(), i, scratch.data());
      to.joint[i] = row.joint();
      to.product[i] = gradients == nullptr ? row.product()
                                           : row.product(gradients->ofJoint[i], gradients->ofProduct[i],
                                                         gradients->z + i * gradients->row, own, own + size);
    }
  });
  if (gradients != nullptr) sumGroups(b, *gradients);
}

void AggregatePosterior::sumGroups(const BatchPosteriors& b, const AggregateGradients& gradients) {
  const int64_t size = b.rows * b.dimensions;
  pool_.run(b.dimensions, [&](int64_t d) {
    float* sums = columns_.data() + d * Column::kParts * b.rows;  // the dimension's own, which is done with
    for (const auto& [part, to] : {std::pair{int64_t{0}, gradients.mean}, {size, gradients.logVariance}}) {
      addGroups(parts_.data() + part + d * b.rows, 2 * size, b.rows, sums);
      for (int64_t j = 0; j < b.rows; ++j) to[j * gradients.row + d] = sums[j];
    }
  });
}

}  // namespace torchvae::cpu
