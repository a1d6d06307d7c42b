// The convolutional network: an encoder of strided convolutions, and a decoder of a dense layer to the
// smallest image and transposed convolutions back to the size of x. Sizes follow from the input's: a
// convolution of kernel k, stride s and padding (k - 1) / 2 makes floor((n - 1) / s) + 1 of n pixels, and the
// decoder's undo the same sequence.
#pragma once

#include "fused/net/network.h"

namespace torchvae::fused {

NetworkPlan declareConvEncoder(Parameters& parameters, const ModelSpec& spec, Features& encoded);
NetworkPlan declareConvDecoder(Parameters& parameters, const ModelSpec& spec);

}  // namespace torchvae::fused
