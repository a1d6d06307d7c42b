// The gradients of all dense layers' weights on the CPU: one region over the tiles of every layer, since none
// waits for another once the activations' gradients are there.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/bf16.h"
#include "cpu/nonzeros.h"
#include "cpu/optimizer.h"
#include "cpu/pool.h"

namespace torchvae::cpu {

// dw [in, out] = x^T dy, dbias [out] = column sums of dy.
struct WeightProduct {
  const float* x;   // [rows, in]
  const float* xT;  // [in, capacity]; null where there are our own products, which do not need it
  const float* dy;  // [rows, out]
  int64_t rows, in, out, capacity;
  int64_t weight;  // where dw begins in the flat buffer of parameters
  int64_t bias;    // where dbias does
  bool panels;     // whether the weights and all that goes with them lie in panels (panels.h)
  // The factors in bf16, which take the place of the others: x^T row-major and dy with its rows in pairs.
  Bf16Place xTRounded, dyPairs;
  // What is not zero in x, where weights lie in panels and products by that alone are shorter; else null.
  const Nonzeros* nonzeros = nullptr;
};

// Writes the gradients into the flat buffer.
void weightGradients(Pool& pool, const std::vector<WeightProduct>& products, float* gradients);

// Whether such a gradient is sure to be finite, from the largest magnitudes of x and dy. Adam squares it, so
// it must stay below the root of the largest float.
bool isBounded(float x, float dy, int64_t rows);

// Of rows of `columns` values, `stride` apart; finite only if all of them are.
double sumSquares(const float* values, int64_t rows, int64_t columns, int64_t stride);

// The flat buffers that an optimizer changes.
struct OptimizerState {
  float* values;
  float* first;
  float* second;
  // The weights in bf16, in both forms; null where there are none.
  Bf16* rounded = nullptr;
  Bf16* paired = nullptr;
};

// The same products, each tile given to the optimizer while it is in cache: the gradients never reach memory.
void updateWeights(Pool& pool, const std::vector<WeightProduct>& products,
                   const OptimizerCoefficients& coefficients, const OptimizerState& state);

}  // namespace torchvae::cpu
