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

// Four neighboring values of a row of a tile. The row has `left` values from the first on, which may be more
// than four, or none: those beyond do not lie in the matrix.
struct Group {
  int row, column, left;
};

// Those from `from` on; kVector 4 says that they are aligned to 16 bytes.
template <int kVector>
__device__ inline Floats<4> groupAt(const float* from, int left) {
  if (kVector == 4 && left >= 4) return *reinterpret_cast<const Floats<4>*>(from);
  Floats<4> values = {};
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    if (k < left) values.of[k] = from[k];
  }
  return values;
}
template <int kVector>
__device__ inline void putGroup(float* to, const Floats<4>& values, int left) {
  if (kVector == 4 && left >= 4) {
    *reinterpret_cast<Floats<4>*>(to) = values;
    return;
  }
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    if (k < left) to[k] = values.of[k];
  }
}

// Calls body(group, sums, load(group)) for the tile's groups of columns, by all threads; whole warps take
// those of whole rows, some of which may have no value in [rows, columns]. What `load` reads is asked for
// some groups ahead of what `body` writes.
template <class Tile, class Load, class Body>
__device__ inline void forGroups(const float* shared, int row, int column, int rows, int columns,
                                 const Load& load, const Body& body) {
  constexpr int kAcross = Tile::kColumns / 4;
  constexpr int kCount = Tile::kRows * kAcross;
  constexpr int kEach = (kCount + Tile::kThreads - 1) / Tile::kThreads;
  constexpr int kAhead = kEach < 2 ? kEach : 2;
#pragma unroll 1
  for (int first = threadIdx.x; first < kCount; first += kAhead * Tile::kThreads) {
    decltype(load(Group{})) loaded[kAhead];
    const auto forAhead = [&](const auto& f) {
#pragma unroll
      for (int k = 0; k < kAhead; ++k) {
        const int i = first + k * Tile::kThreads;
        const int m = i / kAcross;
        const int n = i % kAcross * 4;
        if (i < kCount) f(k, m, n, Group{row + m, column + n, row + m < rows ? columns - column - n : 0});
      }
    };
    forAhead([&](int k, int, int, const Group& group) { loaded[k] = load(group); });
    forAhead([&](int k, int m, int n, const Group& group) {
      body(group, Tile::template sums<4>(shared, m, n), loaded[k]);
    });
  }
}

// The larger of two magnitudes.
__device__ inline void include(uint32_t& largest, uint32_t bits) {
  largest = bits > largest ? bits : largest;
}

// Ends a tile of a layer: y and its slope from the sums and the biases, y also in `kept`, unless null, in
// rows of kKeptStride. Returns the largest magnitude in y that this thread has met.
template <class Tile>
constexpr int kKeptStride = Tile::kColumns + 4;
template <class Program, class Tile>
__device__ inline uint32_t finishUnits(const ForwardArguments& a, const float* shared, int row, int column,
                                       float* kept = nullptr) {
  const int32_t kind = activationOf<Program>(a.side);
  uint32_t largest = 0;
  forGroups<Tile>(
      shared, row, column, a.rows, a.out,
      [&](const Group& g) { return groupAt<Program::kVector>(a.bias + g.column, g.left); },
      [&](const Group& g, const Floats<4>& sums, const Floats<4>& bias) {
        Floats<4> y, slope;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          const float x = sums.of[k] + bias.of[k];
          y.of[k] = activated(kind, x);
          slope.of[k] = slopeAt(kind, x, y.of[k]);
          if (k < g.left) include(largest, magnitudeBits(y.of[k]));
        }
        const int64_t at = static_cast<int64_t>(g.row) * a.yStride + g.column;
        putGroup<Program::kVector>(a.y + at, y, g.left);
        if (a.slope != nullptr) putGroup<Program::kVector>(a.slope + at, slope, g.left);
        if (kept != nullptr) putGroup<4>(kept + (g.row - row) * kKeptStride<Tile> + g.column - column, y, 4);
      });
  return largest;
}

// A tile's part of the head: its y [rows, columns] in shared memory, times the head's weights of its columns,
// which are there too, in rows of whole fours. A thread takes four rows and four columns.
template <class Tile>
__device__ inline void partHead(const ForwardArguments& a, const float* y, const float* weights, int row,
                                int slice, int slices) {
  const int across = (a.headSize + 3) / 4;
  for (int i = threadIdx.x; i < Tile::kRows / 4 * across; i += Tile::kThreads) {
    const int m = i / across * 4;
    const int n = i % across * 4;
    float sums[4][4] = {};
#pragma unroll 4
    for (int unit = 0; unit < Tile::kColumns; unit += 4) {
      Floats<4> right[4];
#pragma unroll
      for (int k = 0; k < 4; ++k)
        right[k] = *reinterpret_cast<const Floats<4>*>(weights + (unit + k) * 4 * across + n);
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        const auto left = *reinterpret_cast<const Floats<4>*>(y + (m + r) * kKeptStride<Tile> + unit);
#pragma unroll
        for (int k = 0; k < 4; ++k) {
#pragma unroll
          for (int c = 0; c < 4; ++c) sums[r][c] += left.of[k] * right[k].of[c];
        }
      }
    }
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      if (row + m + r >= a.rows) continue;
      float* to = a.heads + (static_cast<int64_t>(row + m + r) * slices + slice) * a.headSize + n;
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        if (n + c < a.headSize) to[c] = sums[r][c];
      }
    }
  }
}

// Grid: the tiles of y, those of one row after another.
template <class Program>
__device__ inline void forward(const ForwardArguments& a) {
  using Tile = Product<Program::kPrecision, Program::kTile, kDepthAlongRows, kDepthAlongColumns,
                       Program::kVector, float, Program>;
  TORCHVAE_DYNAMIC_SHARED(shared);
  const int across = (a.out + Tile::kColumns - 1) / Tile::kColumns;
  const int slice = static_cast<int>(blockIdx.x) % across;
  const int row = static_cast<int>(blockIdx.x) / across * Tile::kRows;
  const int column = slice * Tile::kColumns;
  const bool isLast = a.heads != nullptr;
  // Behind the product: y, and the head's weights of these columns.
  float* const kept =
      shared + productBytes(Tile::kShape, kDepthAlongRows, kDepthAlongColumns, 4, Program::kStages) / 4;
  float* const headWeights = kept + Tile::kRows * kKeptStride<Tile>;
  Tile::run(
      shared, {a.x, a.rows, a.in, a.xStride}, {a.weight, a.in, a.out, a.out}, row, column, a.in, NoVisit(),
      [&] {
        if (!isLast) return;
        const int width = (a.headSize + 3) / 4 * 4;
        beginPiece<Program::kVector>(headWeights, width, {a.headWeight, a.out, a.headSize, a.headSize},
                                     column, Tile::kColumns, 0, width);
      },
      a.isThere != 0);
  const uint32_t largest =
      blockMax(finishUnits<Program, Tile>(a, shared, row, column, isLast ? kept : nullptr));
  if (threadIdx.x == 0) a.magnitudes[blockIdx.x] = largest;
  // All of y is there: blockMax() has waited for every thread.
  if (isLast) partHead<Tile>(a, kept, headWeights, row, slice, across);
}

// The deltas of a tile of units from the sums, which are the gradients in their outputs. Returns the largest
// magnitude that this thread has met.
template <class Program, class Tile>
__device__ inline uint32_t finishDeltas(const BackArguments& a, const float* shared, int row, int column) {
  const auto place = [&](const Group& g) { return static_cast<int64_t>(g.row) * a.toStride + g.column; };
  uint32_t largest = 0;
  forGroups<Tile>(
      shared, row, column, a.rows, a.in,
      [&](const Group& g) { return groupAt<Program::kVector>(a.kept + place(g), g.left); },
      [&](const Group& g, const Floats<4>& sums, const Floats<4>& kept) {
        Floats<4> delta;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          delta.of[k] = sums.of[k] * slopeFrom(activationOf<Program>(a.side), kept.of[k]);
          if (k < g.left) include(largest, magnitudeBits(delta.of[k]));
        }
        putGroup<Program::kVector>(a.to + place(g), delta, g.left);
      });
  return largest;
}

// Grid: the tiles of the delta.
template <class Program>
__device__ inline void back(const BackArguments& a) {
  using Tile = Product<Program::kPrecision, Program::kTile, kDepthAlongRows, kDepthAlongRows,
                       Program::kVector, float, Program>;
  TORCHVAE_DYNAMIC_SHARED(shared);
  const int across = (a.in + Tile::kColumns - 1) / Tile::kColumns;
  const int row = static_cast<int>(blockIdx.x) / across * Tile::kRows;
  const int column = static_cast<int>(blockIdx.x) % across * Tile::kColumns;
  Tile::run(shared, {a.delta, a.rows, a.out, a.deltaStride}, {a.weight, a.in, a.out, a.out}, row, column,
            a.out);
  const uint32_t largest = blockMax(finishDeltas<Program, Tile>(a, shared, row, column));
  if (threadIdx.x == 0) a.magnitudes[blockIdx.x] = largest;
}

}  // namespace torchvae::kernels
