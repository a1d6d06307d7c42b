// The maximum mean discrepancy between a batch's codes and draws of N(0, I) (objective/discrepancy.cpp):
// InfoVAE's (1 - alpha) KL + (alpha + lambda - 1) MMD, and lambda MMD of the Wasserstein autoencoder.
#pragma once

#include "cpu/pool.h"
#include "fused/aggregate_cost.h"

namespace torchvae::fused {

class DiscrepancyCost : public AggregateCost {
 public:
  DiscrepancyCost(const Context& context, const PartSpec& objective, int64_t latentSize, int64_t capacity);

  void evaluate(const CodeBatch& batch, double beta, bool withGradient) override;
  bool takesPriorDraws() const override { return true; }
  double klShare() const override { return klShare_; }

 private:
  Pool& pool_;
  int64_t latentSize_;
  bool isRadial_;
  double klShare_, weight_;
};

}  // namespace torchvae::fused
