// What an objective makes of all codes of a batch together, on the CPU's kernels (objective/ has the same
// with libtorch's derivatives). The prior is N(0, I).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/context.h"
#include "spec.h"

namespace torchvae::fused {

// `rows` examples of a data set of `examples`, as fused::Posterior has them, with as many draws of the prior,
// [rows, latentSize].
struct CodeBatch {
  const at::Tensor& head;
  const at::Tensor& noise;
  const at::Tensor& z;
  const at::Tensor& priorDraws;
  int64_t rows, examples;
};

class AggregateCost {
 public:
  virtual ~AggregateCost() = default;

  // The gradients only where they are asked for.
  virtual void evaluate(const CodeBatch& batch, double beta, bool withGradient) = 0;
  // Whether it compares z with draws of the prior.
  virtual bool takesPriorDraws() const { return false; }
  // How often beta KL is paid beside it.
  virtual double klShare() const { return 0; }

  // Of the batch: terms in nats an example, as the objective names them, and their weighted sum.
  const std::vector<double>& terms() const { return terms_; }
  double cost() const { return cost_; }
  // Of the cost, in z, the mean and the log-variance, [capacity, 3 latentSize].
  const at::Tensor& gradients() const { return gradients_; }

 protected:
  AggregateCost(const Context& context, size_t terms, int64_t latentSize, int64_t capacity);

  std::vector<double> terms_;
  double cost_ = 0;
  at::Tensor gradients_;
};

// Whether the objective has such a cost.
bool hasAggregateCost(const PartSpec& objective);
// For batches of up to `capacity` examples; null for objectives that have none.
std::unique_ptr<AggregateCost> makeAggregateCost(const Context& context, const PartSpec& objective,
                                                 int64_t latentSize, int64_t capacity);

}  // namespace torchvae::fused
