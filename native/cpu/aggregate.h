// The aggregate posterior q(z) of a batch and the product of its marginals, estimated from the batch's own
// posteriors, without a temporary of [rows, rows, dimensions].
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/pool.h"

namespace torchvae::cpu {

// log w_ij, of example j in the estimate at z_i: of the example itself, of the one before it (of the last for
// the first), and of each other.
struct PairWeights {
  double own = 0, previous = 0, other = 0;
};

// The weights of a batch of `rows` from `examples`: minibatch weighted sampling, w = 1 / (rows examples), or
// stratified sampling, in which the previous example stands for all that are not in the batch (Chen et al.
// 2018, appendix C). A batch of one has no other example, and is weighted as in the former.
PairWeights pairWeights(bool isStratified, int64_t rows, int64_t examples);

// Rows of a batch: z and, a posterior's mean beside its log-variance, rows that lie `zRow` and `headRow`
// apart.
struct BatchPosteriors {
  int64_t rows, dimensions;
  const float* z;
  int64_t zRow;
  const float* mean;
  const float* logVariance;
  int64_t headRow;
  PairWeights logWeight;
};

// Of each row: joint = log sum_j w_ij q(z_i|x_j), product = sum_d log sum_j w_ij q(z_i,d|x_j).
struct AggregateDensities {
  float* joint;    // [rows]
  float* product;  // [rows]
};

// From the gradients in these, those in z, mean and log-variance, rows that lie `row` apart.
struct AggregateGradients {
  const float* ofJoint;    // [rows]
  const float* ofProduct;  // [rows]
  float* z;
  float* mean;
  float* logVariance;
  int64_t row;
};

class AggregatePosterior {
 public:
  explicit AggregatePosterior(Pool& pool) : pool_(pool) {}
  // Writes the densities and, unless null, the gradients.
  void evaluate(const BatchPosteriors& batch, const AggregateDensities& to,
                const AggregateGradients* gradients);

 private:
  void sumGroups(const BatchPosteriors& batch, const AggregateGradients& gradients);

  Pool& pool_;
  // Kept for their memory.
  std::vector<float> columns_;  // the posteriors, dimension by dimension
  std::vector<float> parts_;    // of the gradients, by groups of rows
};

}  // namespace torchvae::cpu
