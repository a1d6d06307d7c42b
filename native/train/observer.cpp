#include "train/observer.h"

#include <ATen/TensorOperators.h>

#include <cmath>

namespace torchvae {
namespace {

double normOf(const at::Tensor& tensor) {
  return std::sqrt(tensor.to(c10::kDouble).square().sum().item<double>());
}

}  // namespace

void StepObserver::begin() {
  before_ = parameters_.values.clone();
  norms_.clear();
  for (const ParameterEntry& entry : parameters_.entries()) {
    norms_.push_back(
        {entry.name, normOf(parameters_.gradient(entry.slot)), 0, normOf(parameters_.value(entry.slot))});
  }
}

void StepObserver::end() {
  const at::Tensor change = parameters_.values - before_;
  const std::vector<ParameterEntry>& entries = parameters_.entries();
  for (size_t i = 0; i < entries.size(); ++i) {
    const Slot& slot = entries[i].slot;
    norms_[i].update = normOf(change.as_strided(slot.sizes, slot.strides, slot.offset));
  }
  before_.reset();
}

std::vector<std::string> faultsOf(const LossSums& before, const LossSums& after,
                                  const Parameters& parameters) {
  std::vector<std::string> faults;
  if (!std::isfinite(after.reconstruction - before.reconstruction)) faults.emplace_back("reconstruction");
  if (!std::isfinite(after.kl - before.kl)) faults.emplace_back("kl");
  // Declared from the input to the output, and computed backwards.
  const std::vector<ParameterEntry>& entries = parameters.entries();
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    // By the square, as the guard judges: one that overflows is refused too.
    const at::Tensor squares = parameters.gradient(entry->slot).square().sum();
    if (!std::isfinite(squares.item<double>())) faults.push_back(entry->name);
  }
  return faults;
}

}  // namespace torchvae
