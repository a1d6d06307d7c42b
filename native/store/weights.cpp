#include "weights.h"

namespace torchvae {

Weight Weights::find(Parameters& parameters, const std::string& name, const std::vector<int64_t>& shape,
                     const Init& init, bool trained) const {
  if (declaring()) {
    parameters.add(name, shape, init);
    return {};
  }
  const Slot& slot = parameters.find(name)->slot;
  // With a count of its changes of its own: what one part writes in place is not what another one saved.
  Tensor leaf = parameters.value(slot).variable_data();
  if (trained) {
    leaf.requires_grad_(true);
    // backward() adds to what is there: the gradients land in their flat buffer.
    leaf.mutable_grad() = parameters.gradient(slot);
  }
  return {leaf, shape};
}

Weight Weights::parameter(const std::string& name, const std::vector<int64_t>& shape, const Init& init) {
  return find(isAdversary_ ? store_.adversary : store_.model, name, shape, init, true);
}

Weight Weights::buffer(const std::string& name, const std::vector<int64_t>& shape, const Init& init) {
  return find(store_.buffers, name, shape, init, false);
}

std::vector<Weight> Weights::parametersOf(const std::string& prefix) const {
  std::vector<Weight> found;
  if (declaring()) return found;
  for (const ParameterEntry& entry : store_.model.entries()) {
    if (entry.name.compare(0, prefix.size(), prefix) != 0) continue;
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
