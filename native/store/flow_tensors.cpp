#include "store/flow_tensors.h"

#include <ATen/ops/arange.h>

#include <cmath>

namespace torchvae {

std::array<FlowTensor, 6> flowTensors(const ModelSpec& spec, int64_t step) {
  const int64_t size = spec.latentSize, hidden = spec.posterior.integer("hidden"),
                context = spec.posterior.integer("context");
  const std::string name = "posterior.flow." + std::to_string(step);
  const auto bound = [](int64_t in) { return Init::uniform(1 / std::sqrt(static_cast<double>(in))); };
  return {{{name + ".0.weight", {hidden, size}, bound(size)},
           {name + ".0.bias", {hidden}, bound(size)},
           {name + ".context.weight", {hidden, context}, bound(context)},
           {name + ".context.bias", {hidden}, bound(context)},
           // Small, and the gates open: each step begins close to the identity.
           {name + ".1.weight", {2 * size, hidden}, Init::normal(1e-2)},
           {name + ".1.bias", {2 * size}, Init::constant(0)}}};
}

FlowMasks flowMasks(const ModelSpec& spec, const c10::TensorOptions& options) {
  const int64_t size = spec.latentSize, hidden = spec.posterior.integer("hidden");
  // Degrees 1 .. D of the dimensions, and 0 .. D - 1 in turn of the hidden units.
  const Tensor in = at::arange(1, size + 1, options);
  const Tensor unit = at::arange(0, hidden, options).remainder(size);
  const Tensor second = in.unsqueeze(1).gt(unit.unsqueeze(0)).to(options.dtype());
  return {unit.unsqueeze(1).ge(in.unsqueeze(0)).to(options.dtype()), second.repeat({2, 1})};
}

}  // namespace torchvae
