// The makers that the table of networks lists.
#pragma once

#include "net/network.h"

namespace torchvae {

using MakeEncoder = std::unique_ptr<Network>(Weights& weights, const ModelSpec& spec);

// An encoder of tokens, with what `make` gives behind their vectors.
std::unique_ptr<Network> makeEmbedded(Weights& weights, const ModelSpec& spec, MakeEncoder& make);

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
