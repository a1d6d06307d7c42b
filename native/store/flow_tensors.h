// What a step of the inverse autoregressive flow is made of (ops/flow.h), for all that declare or find it.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "spec.h"
#include "store/parameters.h"

namespace torchvae {

struct FlowTensor {
  std::string name;
  std::vector<int64_t> shape;
  Init init;
};

// Those of the perceptron of step `step`, in the order of FlowStep: the first layer's weights and biases, the
// context's, the second layer's.
std::array<FlowTensor, 6> flowTensors(const ModelSpec& spec, int64_t step);

// Its masks (Germain et al. 2015): output i of each of the two blocks of D depends on inputs 0, ..., i - 1
// and on the context, which is all that output 0 depends on.
struct FlowMasks {
  Tensor first, second;  // [H, D], [2 D, H]
};
FlowMasks flowMasks(const ModelSpec& spec, const c10::TensorOptions& options);

}  // namespace torchvae
