#include "cpu/dense.h"

#include "cpu/tiles.h"
#include "cpu/transpose.h"
#include "ops/activation.h"

namespace torchvae::cpu {
namespace {

// Both return the largest magnitude that they leave.

template <ActivationKind kind>
TORCHVAE_VECTORISED uint32_t finishForward(const Tile& tile, const float* __restrict bias,
                                           float* __restrict y, int64_t ldy) {
  uint32_t largest = 0;
  for (int64_t i = tile.m0; i < tile.m1; ++i) {
    float* row = y + i * ldy;
    for (int64_t j = tile.n0; j < tile.n1; ++j) row[j] = activate<kind>(row[j] + bias[j]);
    // A loop of its own: in one with an activation that branches, the compiler vectorises neither.
    for (int64_t j = tile.n0; j < tile.n1; ++j) {
      const uint32_t bits = magnitudeBits(row[j]);
      largest = bits > largest ? bits : largest;
    }
  }
  return largest;
}

template <ActivationKind kind>
TORCHVAE_VECTORISED uint32_t finishInputGradient(const Tile& tile, const float* __restrict xT,
                                                 float* __restrict dxT, int64_t stride) {
  uint32_t largest = 0;
  for (int64_t i = tile.m0; i < tile.m1; ++i) {
    const float* x = xT + i * stride;
    float* gradient = dxT + i * stride;
    for (int64_t j = tile.n0; j < tile.n1; ++j) gradient[j] *= activationSlope<kind>(x[j]);
    for (int64_t j = tile.n0; j < tile.n1; ++j) {
      const uint32_t bits = magnitudeBits(gradient[j]);
      largest = bits > largest ? bits : largest;
    }
  }
  return largest;
}

}  // namespace

void denseForward(Pool& pool, const DenseShape& shape, ActivationKind activation, const float* x,
                  const float* w, const float* bias, float* y, float* yT, Magnitude& magnitude) {
  const auto [rows, in, out, capacity] = shape;
  magnitude.reset();
  withActivation(activation, [&](auto kind) {
    forTiles(pool, balancedTiles(rows, out, pool.threads()), rows * in * out, [&](const Tile& t) {
      multiply(t.rows(), t.columns(), in, x + t.m0 * in, in, w + t.n0, out, y + t.m0 * out + t.n0, out);
      magnitude.include(finishForward<kind.value>(t, bias, y, out));
      if (yT != nullptr) {
        transpose(y + t.m0 * out + t.n0, out, t.rows(), t.columns(), yT + t.n0 * capacity + t.m0, capacity);
      }
    });
  });
}

void denseInputGradient(Pool& pool, const DenseShape& shape, ActivationKind madeX, const float* w,
                        const float* dyT, const float* xT, float* dx, float* dxT, Magnitude& magnitude) {
  const auto [rows, in, out, capacity] = shape;
  magnitude.reset();
  withActivation(madeX, [&](auto kind) {
    // Tiles of the transposed matrix: rows of the batch along the first dimension, for the sake of the
    // threads' caches.
    const Tiles wanted = balancedTiles(in, rows, pool.threads());
    forTiles(pool, {rows, in, wanted.tileN, wanted.tileM}, rows * in * out, [&](const Tile& batchMajor) {
      const Tile t{batchMajor.n0, batchMajor.n1, batchMajor.m0, batchMajor.m1};
      multiply(t.rows(), t.columns(), out, w + t.m0 * out, out, dyT + t.n0, capacity,
               dxT + t.m0 * capacity + t.n0, capacity);
      magnitude.include(finishInputGradient<kind.value>(t, xT, dxT, capacity));
      transpose(dxT + t.m0 * capacity + t.n0, capacity, t.rows(), t.columns(), dx + t.n0 * in + t.m0, in);
    });
  });
}

}  // namespace torchvae::cpu
