// A strip of a dense layer's weights: their gradients and Adam's update in one pass, for processors with
// AVX-512.
#pragma once

#include <cstdint>

#include "cpu/optimiser.h"

namespace torchvae::cpu {

// Rows m0 <= i < m1 and columns n0 <= j < n1 of w [in, out], whose gradient is x^T dy.
struct AdamStrip {
  const float* x;   // [rows, in]
  const float* dy;  // [rows, out]
  int64_t in, out, rows;
  int64_t m0, m1, n0, n1;
  float* first;  // [in, out], as w
  float* second;
  float* w;
};

// Whether updateStrip() does these, and faster than a product and an update would: Adam or AdamW on gradients
// as they are, a batch of middling size, a processor that has the instructions.
bool hasAdamStrips(const OptimiserCoefficients& coefficients, int64_t rows);

void updateStrip(const OptimiserCoefficients& coefficients, const AdamStrip& strip);

}  // namespace torchvae::cpu
