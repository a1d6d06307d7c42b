#include "fused/discrepancy_cost.h"

#include <algorithm>

#include "base/floats.h"
#include "cpu/discrepancy.h"

namespace torchvae::fused {

DiscrepancyCost::DiscrepancyCost(const Context& context, const PartSpec& objective, int64_t latentSize,
                                 int64_t capacity)
    : AggregateCost(context, 1, latentSize, capacity),
      pool_(*context.pool),
      latentSize_(latentSize),
      isRadial_(objective.word("kernel") == "rbf"),
      klShare_(objective.type == "info" ? 1 - objective.number("alpha") : 0),
      weight_(objective.number("lambda") - klShare_) {}

void DiscrepancyCost::evaluate(const CodeBatch& batch, double /*beta*/, bool withGradient) {
  const int64_t row = 3 * latentSize_;
  float* gradients = floats(gradients_);
  if (batch.rows < 2) {  // one point has no distance to others
    if (withGradient) std::fill_n(gradients, row, 0.0f);
    terms_ = {0};
    cost_ = 0;
    return;
  }
  cpu::DiscrepancyGradients to;
  if (withGradient) to = {gradients, nullptr, row, weight_};
  terms_ = {cpu::discrepancy(pool_,
                             {batch.rows, latentSize_, floats(batch.z), batch.z.size(1),
                              floats(batch.priorDraws), latentSize_, isRadial_},
                             to)};
  cost_ = weight_ * terms_[0];
}

}  // namespace torchvae::fused
