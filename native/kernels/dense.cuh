// A dense layer forward and back, by tiles of [rows of the batch, units].
#pragma once

#include "activation.cuh"
#include "perceptron_arguments.h"
#include "product.cuh"

namespace torchvae::kernels {

// What kind of activation the hidden layers of a side have.
template <class Program>
__device__ inline int32_t activationOf(int32_t side) {
  return side == kEncoder ? Program::kEncoderActivation : Program::kDecoderActivation;
}

// Calls body(row, column, value) for the tile's values that lie in [rows, columns], by all threads.
template <class Tile, class Body>
__device__ inline void forTile(const float* shared, int row, int column, int rows, int columns,
                               const Body& body) {
  for (int i = threadIdx.x; i < Tile::kRows * Tile::kColumns; i += kBlockThreads) {
    const int m = i / Tile::kColumns;
    const int n = i % Tile::kColumns;
    if (row + m < rows && column + n < columns) body(row + m, column + n, Tile::sum(shared, m, n));
  }
}

// Ends a layer: y and its slope from a sum without the bias. Returns y's magnitude.
template <class Program>
__device__ inline uint32_t finishUnit(const ForwardArguments& a, int row, int column, float sum) {
  const int32_t kind = activationOf<Program>(a.side);
  const float x = sum + a.bias[column];
  const float y = activated(kind, x);
  const int64_t at = static_cast<int64_t>(row) * a.yStride + column;
  a.y[at] = y;
  if (a.slope != nullptr) a.slope[at] = slopeAt(kind, x, y);
  return magnitudeBits(y);
}

// Grid: the tiles of y, those of one row after another.
template <class Program>
__device__ inline void forward(const ForwardArguments& a) {
  using Tile = Product<Program::kPrecision, Program::kTile, kDepthAlongRows, kDepthAlongColumns>;
  TORCHVAE_DYNAMIC_SHARED(shared);
  const int across = (a.out + Tile::kColumns - 1) / Tile::kColumns;
  const int row = static_cast<int>(blockIdx.x) / across * Tile::kRows;
  const int column = static_cast<int>(blockIdx.x) % across * Tile::kColumns;
  Tile::run(shared, {a.x, a.rows, a.in, a.xStride}, {a.weight, a.in, a.out, a.out}, row, column, a.in);
  uint32_t largest = 0;
  forTile<Tile>(shared, row, column, a.rows, a.out, [&](int i, int j, float sum) {
    const uint32_t bits = finishUnit<Program>(a, i, j, sum);
    largest = bits > largest ? bits : largest;
  });
  largest = blockMax(largest);
  if (threadIdx.x == 0) a.magnitudes[blockIdx.x] = largest;
}

// The delta of a unit from the gradient in its output. Returns its magnitude.
template <class Program>
__device__ inline uint32_t finishDelta(const BackArguments& a, int row, int column, float gradient) {
  const int64_t at = static_cast<int64_t>(row) * a.toStride + column;
  const float delta = gradient * slopeFrom(activationOf<Program>(a.side), a.kept[at]);
  a.to[at] = delta;
  return magnitudeBits(delta);
}

// Grid: the tiles of the delta.
template <class Program>
__device__ inline void back(const BackArguments& a) {
  using Tile = Product<Program::kPrecision, Program::kTile, kDepthAlongRows, kDepthAlongRows>;
  TORCHVAE_DYNAMIC_SHARED(shared);
  const int across = (a.in + Tile::kColumns - 1) / Tile::kColumns;
  const int row = static_cast<int>(blockIdx.x) / across * Tile::kRows;
  const int column = static_cast<int>(blockIdx.x) % across * Tile::kColumns;
  Tile::run(shared, {a.delta, a.rows, a.out, a.deltaStride}, {a.weight, a.in, a.out, a.out}, row, column,
            a.out);
  uint32_t largest = 0;
  forTile<Tile>(shared, row, column, a.rows, a.in, [&](int i, int j, float sum) {
    const uint32_t bits = finishDelta<Program>(a, i, j, sum);
    largest = bits > largest ? bits : largest;
  });
  largest = blockMax(largest);
  if (threadIdx.x == 0) a.magnitudes[blockIdx.x] = largest;
}

}  // namespace torchvae::kernels
