#include "train/observer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/stack.h>

#include <cmath>

namespace torchvae {
namespace {

// The norm of each parameter's part of `flat`, which lies as the parameters do: double [entries].
at::Tensor normsOf(const Parameters& parameters, const at::Tensor& flat) {
  std::vector<at::Tensor> parts;
  for (const auto& [name, shape, slot, init] : parameters.entries()) {
    const at::Tensor part = StateSlot{flat, slot}.read();
    // A part with gaps would cost every one its place in the one kernel for all.
    parts.push_back(part.is_non_overlapping_and_dense() ? part : part.contiguous());
  }
  return at::stack(at::_foreach_norm(parts, 2, c10::kDouble));
}

}  // namespace

void StepObserver::begin() {
  before_ = parameters_.values.clone();
  gradients_ = normsOf(parameters_, parameters_.gradients);
  values_ = normsOf(parameters_, parameters_.values);
  updates_.reset();
}

void StepObserver::end() {
  updates_ = normsOf(parameters_, parameters_.values - before_);
  before_.reset();
}

std::vector<TensorNorms> StepObserver::take() {
  std::vector<TensorNorms> norms;
  if (!updates_.defined()) return norms;
  const at::Tensor read = at::stack({gradients_, updates_, values_}, 1).cpu();
  const double* values = read.const_data_ptr<double>();
  for (const ParameterEntry& entry : parameters_.entries()) {
    norms.push_back({entry.name, values[0], values[1], values[2]});
    values += 3;
  }
  return norms;
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
    const at::Tensor squares = StateSlot{parameters.gradients, entry->slot}.read().square().sum();
    if (!std::isfinite(squares.item<double>())) faults.push_back(entry->name);
  }
  return faults;
}

std::vector<std::string> faultsAgain(Step& step, const StepInput& batch, const Parameters& parameters) {
  step.differentiate(batch);
  step.makeGradients();
  LossSums sums;
  step.addLosses(sums);
  return faultsOf({}, sums, parameters);
}

}  // namespace torchvae
