// What the beta-TC objective makes of a batch's codes, on the CPU's kernels (objective/total_correlation.cpp
// has the same with libtorch's derivatives): the divergence in three parts, weighed apart,
//   alpha E[log q(z|x) - log q(z)] + beta E[log q(z) - log prod_d q(z_d)]
//     + gamma E[log prod_d q(z_d) - log p(z)],
// with q(z) estimated from the batch itself, and p(z) = N(0, I).
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

#include "base/context.h"
#include "cpu/aggregate.h"
#include "spec.h"

namespace torchvae::fused {

class AggregateCost {
 public:
  // Whether it is this objective's.
  static bool serves(const PartSpec& objective) { return objective.type == "beta-tc"; }

  AggregateCost(const Context& context, const PartSpec& objective, int64_t latentSize, int64_t capacity);

  // Of `rows` examples of a data set of `examples`, from the posteriors' head, the noise and z as
  // fused::Posterior has them; the gradients only where they are asked for.
  void evaluate(const at::Tensor& head, const at::Tensor& noise, const at::Tensor& z, int64_t rows,
                int64_t examples, double beta, bool withGradient);

  // Nats an example: the three parts without their weights, and their sum with them.
  const std::vector<double>& terms() const { return terms_; }
  double cost() const { return weights_[0] * terms_[0] + weights_[1] * terms_[1] + weights_[2] * terms_[2]; }
  // Of the mean cost over the batch, in z, the mean and the log-variance, [capacity, 3 latentSize].
  const at::Tensor& gradients() const { return gradients_; }

 private:
  int64_t latentSize_;
  bool isStratified_;
  std::array<double, 3> weights_;
  cpu::AggregatePosterior posterior_;
  std::vector<float> joint_, product_, jointSlope_, productSlope_;  // of each example
  std::vector<double> terms_;
  at::Tensor gradients_;
};

}  // namespace torchvae::fused
