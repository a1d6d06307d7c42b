// Weights in panels (panels.h): their gradients and Adam's update in one pass.
#pragma once

#include <cstdint>

#include "cpu/input_tiles.h"
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
  float* w;                 // of the first panel
  const InputTiles* tiles;  // of x; null with AVX-512 for all of its rows
};

// Whether updatePanels() does these: Adam or AdamW on gradients as they are.
bool weavesAdam(const OptimizerCoefficients& coefficients);
// Whether it takes x from tiles where all of its rows count.
bool takesTiles();

void updatePanels(const OptimizerCoefficients& coefficients, const AdamPanels& panels);

}  // namespace torchvae::cpu
