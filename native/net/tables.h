// The makers that the table of networks lists.
#pragma once

#include "net/network.h"

namespace torchvae {

std::unique_ptr<Network> makeMlpEncoder(Weights& weights, const ModelSpec& spec);
std::unique_ptr<Network> makeMlpDecoder(Weights& weights, const ModelSpec& spec, int64_t codeSize,
                                        int64_t outputSize);
std::unique_ptr<Network> makeConvEncoder(Weights& weights, const ModelSpec& spec);
std::unique_ptr<Network> makeConvDecoder(Weights& weights, const ModelSpec& spec, int64_t codeSize,
                                         int64_t outputSize);
std::unique_ptr<Network> makeResidualEncoder(Weights& weights, const ModelSpec& spec);
std::unique_ptr<Network> makeResidualDecoder(Weights& weights, const ModelSpec& spec, int64_t codeSize,
                                             int64_t outputSize);

}  // namespace torchvae
