// A gated mixture of a value and a shift, as an inverse autoregressive flow takes it, and back.
#pragma once

#include <cstdint>

#include "cpu/pool.h"

namespace torchvae::cpu {

// Row-major: z [rows, size]; parts [rows, 2 size], shifts m and then gates g.
struct GateInput {
  int64_t rows, size;
  const float* z;
  const float* parts;
};

// to = s z + (1 - s) m with s = sigmoid(g + 2), [rows, size]; logSlope [rows] = sum of log s.
void gate(const GateInput& input, float* to, float* logSlope);

// From the gradients in these, the gradients in z and in the parts.
void gateBackward(const GateInput& input, const float* dTo, const float* dLogSlope, float* dz, float* dParts);

}  // namespace torchvae::cpu
