// What the beta-TC objective makes of a batch's codes (objective/total_correlation.cpp): the divergence in
// three parts, weighed apart,
//   alpha E[log q(z|x) - log q(z)] + beta E[log q(z) - log prod_d q(z_d)]
//     + gamma E[log prod_d q(z_d) - log p(z)],
// with q(z) estimated from the batch itself.
#pragma once

#include "cpu/aggregate.h"
#include "fused/aggregate_cost.h"

namespace torchvae::fused {

class TotalCorrelationCost : public AggregateCost {
 public:
  TotalCorrelationCost(const Context& context, const PartSpec& objective, int64_t latentSize,
                       int64_t capacity);

  void evaluate(const CodeBatch& batch, double beta, bool withGradient) override;

 private:
  int64_t latentSize_;
  bool isStratified_;
  double alpha_, gamma_;
  cpu::AggregatePosterior posterior_;
  std::vector<float> joint_, product_, jointSlope_, productSlope_;  // of each example
};

}  // namespace torchvae::fused
