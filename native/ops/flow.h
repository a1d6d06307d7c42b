// An inverse autoregressive flow as one differentiable operation.
#pragma once

#include <vector>

#include "base/context.h"
#include "base/tensor.h"

namespace torchvae {

// The perceptron of a step, in PyTorch's layouts: leaves whose gradients lie in the store. Masks hold ones
// and zeros.
struct FlowStep {
  Tensor firstWeight, firstBias;      // [H, D], [H]: of z, masked by firstMask
  Tensor contextWeight, contextBias;  // [H, C], [H]
  Tensor secondWeight, secondBias;    // [2 D, H], [2 D]: to shifts and then gates, masked by secondMask
  Tensor firstMask, secondMask;
};

struct Flowed {
  Tensor z;     // [B, D]
  Tensor logQ;  // [B]
};

// z [B, D] of density log q [B], with a context `given` [B, C], through steps that each make shifts m and
// gates g of elu(W1 z + Wc given), take z to s z + (1 - s) m with s = sigmoid(g + 2), and sum log s from log
// q (Kingma et al. 2016, eq. 10 and 14). The order of z's values is reversed between two steps.
// Differentiable in all of these and in the weights, once on the CPU in float32; `steps` outlives the
// backward pass.
Flowed autoregressiveFlow(const Context& context, const std::vector<FlowStep>& steps, const Flowed& base,
                          const Tensor& given);

}  // namespace torchvae
