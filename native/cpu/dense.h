// A dense layer's forward and input-gradient products on the CPU, tiled over threads around a kernel for one
// tile (gemm.h), with bias, activation and their derivatives applied while a tile is in cache.
//
// The kernel multiplies row-major A [m, k] by row-major B [k, n]. So weights are kept as [in, out], and
// activations in both orientations, which serves all products but rowMajorInputGradient().
#pragma once

#include <cstdint>

#include "cpu/bf16.h"
#include "cpu/magnitude.h"
#include "cpu/pool.h"
#include "cpu/tiles.h"
#include "spec.h"

namespace torchvae::cpu {

struct DenseShape {
  int64_t rows;      // of this batch
  int64_t in, out;   // features
  int64_t capacity;  // rows that the buffers hold: the row stride of transposed matrices
};

// What a layer's activation leaves: its values and what the backward pass needs of them. Any but y may be
// null.
struct DenseOutput {
  float* y;       // [rows, out]
  float* yT;      // [out, capacity]
  float* slope;   // [rows, out]: of activations whose slope is not a function of y
  float* slopeT;  // [out, capacity]
};

// y = activate(x w + bias): x [rows, in], w [in, out].
void denseForward(Pool& pool, const DenseShape& shape, ActivationKind activation, const float* x,
                  const float* w, const float* bias, const DenseOutput& output, Magnitude& magnitude);

// What was kept of the activation that made a layer's input, and the gradient in that input.
struct InputGradient {
  const float* kept;   // [rows, in]; read where dxT is null
  const float* keptT;  // [in, capacity]; read where it is not
  float* dx;           // [rows, in]
  float* dxT;          // [in, capacity], unless null
};

// dx = dy w^T times the slope of the activation that made x; dyT [out, capacity].
void denseInputGradient(Pool& pool, const DenseShape& shape, ActivationKind madeX, const float* w,
                        const float* dyT, const InputGradient& gradient, Magnitude& magnitude);

// The same by our own products, for weights that do not lie in panels: from w's transpose, which it writes to
// wT [out, in] first, and dy [rows, out] as it is.
void rowMajorInputGradient(Pool& pool, const DenseShape& shape, ActivationKind madeX, const float* w,
                           const float* dy, const InputGradient& gradient, float* wT, Magnitude& magnitude);

// What follows a forward product, of a tile of [rows, out] that lies in output.y. Returns the bits of the
// largest magnitude.
uint32_t finishDenseForward(const DenseShape& shape, ActivationKind activation, const float* bias,
                            const DenseOutput& output, const Tile& tile);

// What follows the input gradient's product, of a tile of it that lies transposed at `product`: the slope,
// and the tile's place in dx. `product` is the tile's place in dxT unless that is null.
uint32_t finishInputGradient(const DenseShape& shape, ActivationKind madeX, const InputGradient& gradient,
                             const Tile& tile, float* product, int64_t stride);

// The same two from factors in bf16, for a tile of results that is rounded while it is in cache.

// x row-major, w with its rows in pairs. y goes to output.y unless null, and to `rounded`; output.yT is
// not written, and output.slope only together with output.y.
void denseForwardBf16(Pool& pool, const DenseShape& shape, ActivationKind activation, const Bf16Place& x,
                      const Bf16* w, const float* bias, const DenseOutput& output, const Bf16Places& rounded,
                      Magnitude& magnitude);

// w row-major, dyT [out, capacity] with its rows in pairs, xT [in, capacity] row-major, which is read where
// `slopeT` [in, capacity] is null. dx goes to `dx` unless null, and to `rounded`.
void denseInputGradientBf16(Pool& pool, const DenseShape& shape, ActivationKind madeX, const Bf16* w,
                            const Bf16Place& dyT, const Bf16Place& xT, const float* slopeT, float* dx,
                            const Bf16Places& rounded, Magnitude& magnitude);

}  // namespace torchvae::cpu
