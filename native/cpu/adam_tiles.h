// Weights in panels (panels.h): their gradients and Adam's update in one pass.
#pragma once

#include <cstdint>

#include "cpu/optimizer.h"

namespace torchvae::cpu {

// Panels of w [in, out], whose gradient is x^T dy.
struct AdamPanels {
  const float* x;   // [rows, in]
  const float* dy;  // [rows, out], from the first panel's first column on
  int64_t in, out, rows;
  int64_t columns;  // in panels of which the last may hold zeros too
  float* first;     // as w
  float* second;
  float* w;  // of the first panel
};

// Whether updatePanels() does these: Adam or AdamW on gradients as they are.
bool weavesAdam(const OptimizerCoefficients& coefficients);

void updatePanels(const OptimizerCoefficients& coefficients, const AdamPanels& panels);

}  // namespace torchvae::cpu
