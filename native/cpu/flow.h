// The steps of an inverse autoregressive flow on the CPU: every row goes through all of them in one piece,
// forward and back.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/pool.h"

namespace torchvae::cpu {

struct FlowShape {
  int64_t rows;
  int64_t size;    // D, of z
  int64_t given;   // C, of the context
  int64_t hidden;  // H

  int64_t inputs() const { return size + given; }
};

// The values of a step's perceptron, or their gradients; row-major. Masks hold ones and zeros.
template <class Value>
struct FlowWeights {
  Value *first, *firstBias;      // [H, D], [H]: of z, masked
  Value *context, *contextBias;  // [H, C], [H]
  Value *second, *secondBias;    // [2 D, H], [2 D]: to shifts and then gates, masked
};
struct FlowStepWeights : FlowWeights<const float> {
  const float *firstMask, *secondMask;
};

// What the passes share, of one step. `in` [H, D + C] is the first matrix, masked, with the context's beside
// it; `out` [2 D, H] is the second, masked.
struct FlowMemory {
  float *in, *inT, *out, *outT;
  float *inputs, *hidden, *parts;  // [B, D + C]; [B, H], activated; [B, 2 D]
  float *dHiddenT, *dPartsT;       // the gradients before the activation and in the parts: [H, B], [2 D, B]
};
// A flow's steps. The order of z's values is reversed between two.
struct Flow {
  FlowShape shape;
  std::vector<FlowStepWeights> weights;
  std::vector<FlowMemory> memory;
};

// Values of the memory that one step takes.
int64_t flowMemorySize(const FlowShape& shape);
// The flow of these steps over `memory`, which holds as many values for each.
Flow makeFlow(const FlowShape& shape, std::vector<FlowStepWeights> weights, float* memory);

// A code z [B, D] and its log q(z) [B].
template <class Value>
struct FlowCode {
  Value *z, *logQ;
};

// `from` to `to` through the steps z <- s z + (1 - s) m, s = sigmoid(gate + 2), log q <- log q - sum log s.
void flowForward(Pool& pool, const Flow& flow, const FlowCode<const float>& from, const float* given,
                 const FlowCode<float>& to);

// From the gradients in what came out, those in z and in the context, after flowForward(); that in log q goes
// through as it is. `dHiddenT` and `dPartsT` are written.
void flowBackward(Pool& pool, const Flow& flow, const FlowCode<const float>& gradient, float* dz,
                  float* dGiven);

// After that: adds the gradients of the weights to these.
void flowWeightGradients(Pool& pool, const Flow& flow, const std::vector<FlowWeights<float>>& gradients);

}  // namespace torchvae::cpu
