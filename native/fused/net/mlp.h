// The multilayer perceptron: dense layers of the widths in NetworkSpec::hidden.
#pragma once

#include "fused/net/network.h"

namespace torchvae::fused {

NetworkPlan declareMlpEncoder(Parameters& parameters, const ModelSpec& spec, Features& encoded);
NetworkPlan declareMlpDecoder(Parameters& parameters, const ModelSpec& spec);

}  // namespace torchvae::fused
