// A dense layer forward and back, by tiles of [rows of the batch, units].
#pragma once

#include "activation.cuh"
#include "perceptron_arguments.h"
#include "product.cuh"

namespace torchvae::kernels {

// What kind of activation the hidden layers of a side have.
template <class Program>
__device__ inline int32_t activationOf(int32_t side) {
  if (Program::kEncoderActivation == Program::kDecoderActivation) return Program::kEncoderActivation;
  return side == kEncoder ? Program::kEncoderActivation : Program::kDecoderActivation;
}

// Calls body(row, column, value, load(row, column)) for the tile's values that lie in [rows, columns], by all
// threads. What `load` reads is asked for some values ahead of what `body` writes.
template <class Tile, class Load, class Body>
__device__ inline void forTile(const float* shared, int row, int column, int rows, int columns,
                               const Load& load, const Body& body) {
  constexpr int kCount = Tile::kRows * Tile::kColumns;
  constexpr int kEach = (kCount + Tile::kThreads - 1) / Tile::kThreads;
  constexpr int kAhead = kEach < 4 ? kEach : 4;
#pragma unroll 1
  for (int first = threadIdx.x; first < kCount; first += kAhead * Tile::kThreads) {
    decltype(load(0, 0)) loaded[kAhead];
    const auto forAhead = [&](const auto& f) {
#pragma unroll
      for (int k = 0; k < kAhead; ++k) {
        const int i = first + k * Tile::kThreads;
        const int m = i / Tile::kColumns;
        const int n = i % Tile::kColumns;
        if (i < kCount && row + m < rows && column + n < columns) f(k, m, n);
      }
    };
    forAhead([&](int k, int m, int n) { loaded[k] = load(row + m, column + n); });
    forAhead([&](int k, int m, int n) { body(row + m, column + n, Tile::sum(shared, m, n), loaded[k]); });
  }
}

// The larger of two magnitudes.
__device__ inline void include(uint32_t& largest, uint32_t bits) {
  largest = bits > largest ? bits : largest;
}

// Ends a tile of a layer: y and its slope from the sums and the biases. Returns the largest magnitude in y
// that this thread has met.
template <class Program, class Tile>
__device__ inline uint32_t finishUnits(const ForwardArguments& a, const float* shared, int row, int column) {
  const int32_t kind = activationOf<Program>(a.side);
  uint32_t largest = 0;
  forTile<Tile>(
      shared, row, column, a.rows, a.out, [&](int, int j) { return a.bias[j]; },
      [&](int i, int j, float sum, float bias) {
        const float x = sum + bias;
        const float y = activated(kind, x);
        const int64_t at = static_cast<int64_t>(i) * a.yStride + j;
        a.y[at] = y;
        if (a.slope != nullptr) a.slope[at] = slopeAt(kind, x, y);
        include(largest, magnitudeBits(y));
      });
  return largest;
}

// Grid: the tiles of y, those of one row after another.
template <class Program>
__device__ inline void forward(const ForwardArguments& a) {
  using Tile =
      Product<Program::kPrecision, Program::kTile, kDepthAlongRows, kDepthAlongColumns, Program::kVector>;
  TORCHVAE_DYNAMIC_SHARED(shared);
  const int across = (a.out + Tile::kColumns - 1) / Tile::kColumns;
  const int row = static_cast<int>(blockIdx.x) / across * Tile::kRows;
  const int column = static_cast<int>(blockIdx.x) % across * Tile::kColumns;
  Tile::run(shared, {a.x, a.rows, a.in, a.xStride}, {a.weight, a.in, a.out, a.out}, row, column, a.in);
  const uint32_t largest = blockMax<Tile::kThreads>(finishUnits<Program, Tile>(a, shared, row, column));
  if (threadIdx.x == 0) a.magnitudes[blockIdx.x] = largest;
}

// The deltas of a tile of units from the sums, which are the gradients in their outputs. Returns the largest
// magnitude that this thread has met.
template <class Program, class Tile>
__device__ inline uint32_t finishDeltas(const BackArguments& a, const float* shared, int row, int column) {
  const auto place = [&](int i, int j) { return static_cast<int64_t>(i) * a.toStride + j; };
  uint32_t largest = 0;
  forTile<Tile>(
      shared, row, column, a.rows, a.in, [&](int i, int j) { return a.kept[place(i, j)]; },
      [&](int i, int j, float sum, float kept) {
        const float delta = sum * slopeFrom(activationOf<Program>(a.side), kept);
        a.to[place(i, j)] = delta;
        include(largest, magnitudeBits(delta));
      });
  return largest;
}

// Grid: the tiles of the delta.
template <class Program>
__device__ inline void back(const BackArguments& a) {
  using Tile =
      Product<Program::kPrecision, Program::kTile, kDepthAlongRows, kDepthAlongRows, Program::kVector>;
  TORCHVAE_DYNAMIC_SHARED(shared);
  const int across = (a.in + Tile::kColumns - 1) / Tile::kColumns;
  const int row = static_cast<int>(blockIdx.x) / across * Tile::kRows;
  const int column = static_cast<int>(blockIdx.x) % across * Tile::kColumns;
  Tile::run(shared, {a.delta, a.rows, a.out, a.deltaStride}, {a.weight, a.in, a.out, a.out}, row, column,
            a.out);
  const uint32_t largest = blockMax<Tile::kThreads>(finishDeltas<Program, Tile>(a, shared, row, column));
  if (threadIdx.x == 0) a.magnitudes[blockIdx.x] = largest;
}

}  // namespace torchvae::kernels
