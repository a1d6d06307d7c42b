#include "store/weights.h"

#include <cmath>

namespace torchvae {

Weight Weights::find(Parameters& parameters, const std::string& name, const std::vector<int64_t>& shape,
                     const Init& init, bool trained) const {
  if (declaring()) {
    parameters.add(name, shape, init);
    return {};
  }
  const Slot& slot = parameters.find(name)->slot;
  // With its own count of changes: a write in place by one part must not count as a change of another's.
  Tensor leaf = parameters.value(slot).variable_data();
  if (trained) {
    leaf.requires_grad_(true);
    // backward() adds to what is there: the gradients land in their flat buffer.
    leaf.mutable_grad() = parameters.gradient(slot);
  }
  return {leaf, slot, shape};
}

Weight Weights::parameter(const std::string& name, const std::vector<int64_t>& shape, const Init& init) {
  return find(isAdversary_ ? store_.adversary : store_.model, name, shape, init, true);
}

Weights::DenseLayer Weights::dense(const std::vector<std::string>& names, int64_t in, int64_t out) {
  Parameters& parameters = isAdversary_ ? store_.adversary : store_.model;
  const bool hasKernels = context_ != nullptr && context_->tiledProducts();
  const bool isDeclared = parameters.find(names[0] + ".weight") != nullptr;
  if (declaring() && hasKernels && !isDeclared) {
    std::vector<DensePart> parts;
    for (const std::string& name : names) parts.push_back({name, out});
    parameters.addDense(parts, in);
  }
  const Init init = Init::uniform(1 / std::sqrt(static_cast<double>(in)));
  DenseLayer layer;
  for (const std::string& name : names) {
    layer.weights.push_back(parameter(name + ".weight", {out, in}, init));
    layer.biases.push_back(parameter(name + ".bias", {out}, init));
  }
  layer.parameters = &parameters;
  if (!declaring() && hasKernels) layer.slots = parameters.findDense(names);
  return layer;
}

Weight Weights::buffer(const std::string& name, const std::vector<int64_t>& shape, const Init& init) {
  return find(store_.buffers, name, shape, init, false);
}

std::vector<Weight> Weights::parametersOf(const std::string& prefix) const {
  std::vector<Weight> found;
  if (declaring()) return found;
  for (const ParameterEntry& entry : store_.model.entries()) {
    if (entry.name.compare(0, prefix.size(), prefix) != 0) continue;
    store_.model.deferred.share(entry.slot.offset);
    found.push_back(find(store_.model, entry.name, entry.shape, entry.init, true));
  }
  return found;
}

Weights Weights::adversary() const {
  Weights weights = *this;
  weights.isAdversary_ = true;
  return weights;
}

}  // namespace torchvae
