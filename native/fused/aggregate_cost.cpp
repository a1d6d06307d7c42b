#include "fused/aggregate_cost.h"

#include "base/memory.h"
#include "fused/discrepancy_cost.h"
#include "fused/total_correlation_cost.h"

namespace torchvae::fused {
namespace {

struct CostRow {
  const char* objective;
  std::unique_ptr<AggregateCost> (*make)(const Context&, const PartSpec&, int64_t latentSize,
                                         int64_t capacity);
};

template <class Kind>
constexpr CostRow costRow(const char* objective) {
  return {objective,
          [](const Context& context, const PartSpec& spec, int64_t latentSize,
             int64_t capacity) -> std::unique_ptr<AggregateCost> {
            return std::make_unique<Kind>(context, spec, latentSize, capacity);
          }};
}

constexpr CostRow kCosts[] = {costRow<TotalCorrelationCost>("beta-tc"), costRow<DiscrepancyCost>("info"),
                              costRow<DiscrepancyCost>("wae-mmd")};

const CostRow* findCost(const PartSpec& objective) {
  for (const CostRow& row : kCosts) {
    if (objective.type == row.objective) return &row;
  }
  return nullptr;
}

}  // namespace

AggregateCost::AggregateCost(const Context& context, size_t terms, int64_t latentSize, int64_t capacity)
    : terms_(terms), gradients_(zeroed(context, {capacity, 3 * latentSize})) {}

bool hasAggregateCost(const PartSpec& objective) {
  return findCost(objective) != nullptr;
}

std::unique_ptr<AggregateCost> makeAggregateCost(const Context& context, const PartSpec& objective,
                                                 int64_t latentSize, int64_t capacity) {
  const CostRow* row = findCost(objective);
  return row == nullptr ? nullptr : row->make(context, objective, latentSize, capacity);
}

}  // namespace torchvae::fused
