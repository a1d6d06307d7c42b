#include "cpu/dense.h"

#include "cpu/finish.h"
#include "cpu/gemm.h"
#include "cpu/tiles.h"
#include "cpu/transpose.h"

namespace torchvae::cpu {
namespace {

// The larger of the dimensions of a tile from balancedTiles().
constexpr int64_t kTileSide = 64;

// Tiles of the transposed gradient in x: rows of the batch along the first dimension, for the sake of the
// threads' caches.
template <class Body>
void forInputGradientTiles(Pool& pool, const DenseShape& shape, const Body& body) {
  const Tiles wanted = balancedTiles(shape.in, shape.rows, pool.threads());
  forTiles(pool, {shape.rows, shape.in, wanted.tileN, wanted.tileM}, shape.rows * shape.in * shape.out,
           [&](const Tile& batchMajor) {
             body(Tile{batchMajor.n0, batchMajor.n1, batchMajor.m0, batchMajor.m1});
           });
}

}  // namespace

uint32_t finishDenseForward(const DenseShape& shape, ActivationKind activation, const float* bias,
                            const DenseOutput& output, const Tile& t) {
  const auto [rows, in, out, capacity] = shape;
  const int64_t at = t.m0 * out + t.n0;
  const int64_t atT = t.n0 * capacity + t.m0;
  float* slope = output.slope == nullptr ? nullptr : output.slope + at;
  const uint32_t largest =
      finishForward(activation, t.rows(), t.columns(), bias + t.n0, output.y + at, slope, out);
  if (output.yT != nullptr) {
    transpose(output.y + at, out, t.rows(), t.columns(), output.yT + atT, capacity);
  }
  if (output.slopeT != nullptr) {
    transpose(slope, out, t.rows(), t.columns(), output.slopeT + atT, capacity);
  }
  return largest;
}

void denseForward(Pool& pool, const DenseShape& shape, ActivationKind activation, const float* x,
                  const float* w, const float* bias, const DenseOutput& output, Magnitude& magnitude) {
  const auto [rows, in, out, capacity] = shape;
  magnitude.reset();
  forTiles(pool, balancedTiles(rows, out, pool.threads()), rows * in * out, [&](const Tile& t) {
    float* tile = output.y + t.m0 * out + t.n0;
    multiply(t.rows(), t.columns(), in, x + t.m0 * in, in, w + t.n0, out, tile, out);
    magnitude.include(finishDenseForward(shape, activation, bias, output, t));
  });
}

uint32_t finishInputGradient(const DenseShape& shape, ActivationKind madeX, const InputGradient& gradient,
                             const Tile& t, float* product, int64_t stride) {
  const int64_t at = t.n0 * shape.in + t.m0;
  if (gradient.dxT == nullptr) {
    transpose(product, stride, t.rows(), t.columns(), gradient.dx + at, shape.in);
    return finishInputGradient(madeX, t.columns(), t.rows(), gradient.kept + at, shape.in, gradient.dx + at,
                               shape.in);
  }
  const float* keptT = gradient.keptT + t.m0 * shape.capacity + t.n0;
  const uint32_t largest =
      finishInputGradient(madeX, t.rows(), t.columns(), keptT, shape.capacity, product, stride);
  transpose(product, stride, t.rows(), t.columns(), gradient.dx + at, shape.in);
  return largest;
}

void denseInputGradient(Pool& pool, const DenseShape& shape, ActivationKind madeX, const float* w,
                        const float* dyT, const InputGradient& gradient, Magnitude& magnitude) {
  const auto [rows, in, out, capacity] = shape;
  magnitude.reset();
  forInputGradientTiles(pool, shape, [&](const Tile& t) {
    alignas(64) float scratch[kTileSide * kTileSide];
    const bool keeps = gradient.dxT != nullptr;
    float* product = keeps ? gradient.dxT + t.m0 * capacity + t.n0 : scratch;
    const int64_t stride = keeps ? capacity : kTileSide;
    multiply(t.rows(), t.columns(), out, w + t.m0 * out, out, dyT + t.n0, capacity, product, stride);
    magnitude.include(finishInputGradient(shape, madeX, gradient, t, product, stride));
  });
}

void rowMajorInputGradient(Pool& pool, const DenseShape& shape, ActivationKind madeX, const float* w,
                           const float* dy, const InputGradient& gradient, float* wT, Magnitude& magnitude) {
  const auto [rows, in, out, capacity] = shape;
  magnitude.reset();
  forTiles(pool, {in, out, 16, out}, in * out, [&, in = in, out = out](const Tile& t) {
    transpose(w + t.m0 * out, out, t.rows(), out, wT + t.m0, in);
  });
  const Tiles tiles = balancedTiles(rows, in, pool.threads());
  forTiles(pool, tiles, rows * in * out, [&, in = in, out = out, capacity = capacity](const Tile& t) {
    const int64_t at = t.m0 * in + t.n0;
    float* tile = gradient.dx + at;
    multiply(t.rows(), t.columns(), out, dy + t.m0 * out, out, wT + t.n0, in, tile, in);
    magnitude.include(finishInputGradient(madeX, t.rows(), t.columns(), gradient.kept + at, in, tile, in));
    if (gradient.dxT == nullptr) return;
    transpose(tile, in, t.rows(), t.columns(), gradient.dxT + t.n0 * capacity + t.m0, capacity);
  });
}

void denseForwardBf16(Pool& pool, const DenseShape& shape, ActivationKind activation, const Bf16Place& x,
                      const Bf16* w, const float* bias, const DenseOutput& output, const Bf16Places& rounded,
                      Magnitude& magnitude) {
  const auto [rows, in, out, capacity] = shape;
  magnitude.reset();
  forTiles(pool, balancedTiles(rows, out, pool.threads()), rows * in * out, [&](const Tile& t) {
    alignas(64) float scratch[kTileSide * kTileSide];
    alignas(64) float slope[kTileSide * kTileSide];
    float* tile = output.y == nullptr ? scratch : output.y + t.m0 * out + t.n0;
    const int64_t stride = output.y == nullptr ? kTileSide : out;
    multiplyBf16(t.rows(), t.columns(), even(in), x.to + t.m0 * x.stride, x.stride, w + 2 * t.n0, out, tile,
                 stride);
    float* slopes = output.slope != nullptr ? output.slope + t.m0 * out + t.n0 : slope;
    if (output.slope == nullptr && output.slopeT == nullptr) slopes = nullptr;
    magnitude.include(finishForward(activation, t.rows(), t.columns(), bias + t.n0, tile, slopes, stride));
    if (output.slopeT != nullptr) {
      transpose(slopes, stride, t.rows(), t.columns(), output.slopeT + t.n0 * capacity + t.m0, capacity);
    }
    roundTile(tile, stride, t.rows(), t.columns(), placesAt(rounded, t.m0, t.n0));
  });
}

void denseInputGradientBf16(Pool& pool, const DenseShape& shape, ActivationKind madeX, const Bf16* w,
                            const Bf16Place& dyT, const Bf16Place& xT, const float* slopeT, float* dx,
                            const Bf16Places& rounded, Magnitude& magnitude) {
  const auto [rows, in, out, capacity] = shape;
  magnitude.reset();
  forInputGradientTiles(pool, shape, [&](const Tile& t) {
    alignas(64) float tile[kTileSide * kTileSide];
    multiplyBf16(t.rows(), t.columns(), even(out), w + t.m0 * out, out, dyT.to + 2 * t.n0, capacity, tile,
                 kTileSide);
    const auto* x = reinterpret_cast<const uint16_t*>(xT.to) + t.m0 * xT.stride + t.n0;
    magnitude.include(slopeT == nullptr
                          ? finishInputGradient(madeX, t.rows(), t.columns(), x, xT.stride, tile, kTileSide)
                          : finishInputGradient(madeX, t.rows(), t.columns(), slopeT + t.m0 * capacity + t.n0,
                                                capacity, tile, kTileSide));
    roundTile(tile, kTileSide, t.rows(), t.columns(), placesAt(ofTranspose(rounded), t.m0, t.n0));
    if (dx != nullptr) transpose(tile, kTileSide, t.rows(), t.columns(), dx + t.n0 * in + t.m0, in);
  });
}

}  // namespace torchvae::cpu
