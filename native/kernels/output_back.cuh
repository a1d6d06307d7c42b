// The decoder's last layer, its likelihood, and back through the same layer, with one tile of its weights in
// shared memory for both products: the batch's rows are few, so that weights are most of what is read. The
// gradient in what the layer took comes in parts, one of every tile of columns, which the next kernel adds
// up.
#pragma once

#include "dense.cuh"
#include "likelihood.cuh"

namespace torchvae::kernels {

// The tile of this block and where its pieces lie in shared memory.
template <class Program>
struct OutputBackTile {
  OutputBackShape shape;
  int row, column;
  float *weights, *taken, *x, *delta;

  __device__ OutputBackTile(const OutputBackArguments& a, float* shared)
      : shape{Program::kRowTiles, Program::kOutTiles, a.output.in},
        row(static_cast<int>(blockIdx.x) / a.slices * shape.rows()),
        column(static_cast<int>(blockIdx.x) % a.slices * shape.columns()),
        weights(shared),
        taken(weights + shape.weightFloats()),
        x(taken + shape.factorFloats()),
        delta(x + shape.rows() * shape.deltaStride()) {}
};

// Of the lanes of a warp: a value's place in a factor of `stride` from which the lane's others are counted.
__device__ inline int laneAlongRows(int stride) {
  return static_cast<int>(threadIdx.x) % 32 / 4 * stride + static_cast<int>(threadIdx.x) % 4;
}
__device__ inline int laneAcrossRows(int stride) {
  return static_cast<int>(threadIdx.x) % 4 * stride + static_cast<int>(threadIdx.x) % 32 / 4;
}

// The layer's sums without the bias: a warp takes one of the row tiles, all columns, and a share of the
// depth. Leaves each share's in place of what the layer took: [shares][rows][weightStride].
template <class Program>
__device__ inline void multiplyOut(const OutputBackTile<Program>& tile) {
  constexpr Precision P = Program::kPrecision;
  const int shares = kOutputBackWarps / Program::kRowTiles;
  const int warp = threadIdx.x / 32;
  const int rowTile = warp % Program::kRowTiles;
  const int share = warp / Program::kRowTiles;
  const int depth = tile.shape.depth();
  const int takenStride = strideAlong(depth);
  const int weightStride = tile.shape.weightStride();
  const float* taken = tile.taken + 16 * rowTile * takenStride + laneAlongRows(takenStride);
  const float* weights = tile.weights + laneAcrossRows(weightStride);
  float sums[1][Program::kMostOutTiles][4] = {};
#pragma unroll 2
  for (int step = share * kStep<P>; step < depth; step += shares * kStep<P>) {
    Factor<P, 4> left[1];
    Factor<P, 2> right[Program::kMostOutTiles];
    left[0] = leftFactor<P>([&](int i, int k) { return taken[i * takenStride + step + k]; });
#pragma unroll
    for (int n = 0; n < Program::kOutTiles; ++n)
      right[n] = rightFactor<P>([&](int k, int j) { return weights[(step + k) * weightStride + 8 * n + j]; });
    multiplyTiles<P>(sums, left, right, 1, Program::kOutTiles);
  }
  __syncthreads();  // nobody reads any more what the layer took
  const int lane = threadIdx.x % 32;
  float* to =
      tile.taken + (share * tile.shape.rows() + 16 * rowTile + lane / 4) * weightStride + lane % 4 * 2;
#pragma unroll
  for (int n = 0; n < Program::kOutTiles; ++n) {
    to[8 * n] = sums[0][n][0];
    to[8 * n + 1] = sums[0][n][1];
    to[8 * n + 8 * weightStride] = sums[0][n][2];
    to[8 * n + 8 * weightStride + 1] = sums[0][n][3];
  }
  __syncthreads();
}

// The sums of a group of four columns over the shares of the depth, always in one order.
template <class Program>
__device__ inline Floats<4> sumsAt(const OutputBackTile<Program>& tile, int m, int n) {
  const int weightStride = tile.shape.weightStride();
  Floats<4> sums = {};
#pragma unroll
  for (int share = 0; share < kOutputBackWarps / Program::kRowTiles; ++share) {
    const auto more =
        *reinterpret_cast<const Floats<4>*>(tile.taken + (share * tile.shape.rows() + m) * weightStride + n);
#pragma unroll
    for (int k = 0; k < 4; ++k) sums.of[k] += more.of[k];
  }
  return sums;
}

// The tile's delta, to shared memory and to memory, and the rows' losses. Returns the largest magnitude that
// this thread has met.
template <class Program>
__device__ inline uint32_t finishOutput(const OutputBackTile<Program>& tile, const OutputBackArguments& all) {
  const OutputArguments& a = all.output;
  const OutputBackShape& shape = tile.shape;
  const float weight = a.scale / static_cast<float>(a.rows);
  const int across = shape.columns() / 4;
  const int deltaStride = shape.deltaStride();
  uint32_t largest = 0;
#pragma unroll 1
  for (int i = threadIdx.x; i < shape.rows() * across; i += kOutputBackThreads) {
    const int m = i / across;
    const int n = i % across * 4;
    const Group g{tile.row + m, tile.column + n, tile.row + m < a.rows ? a.out - tile.column - n : 0};
    const Floats<4> bias = groupAt<Program::kVector>(a.bias + g.column, g.left);
    const Floats<4> x = groupAt<4>(tile.x + m * deltaStride + n, 4);
    const Floats<4> sums = sumsAt<Program>(tile, m, n);
    Floats<4> delta = {};
    float loss = 0;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      if (k >= g.left) continue;
      const ValueAndSlope<float> term =
          likelihoodTerm(Program::kLikelihood, a.sigmoid != 0, x.of[k], sums.of[k] + bias.of[k]);
      delta.of[k] = term.slope * weight;
      loss += term.value;
      include(largest, magnitudeBits(delta.of[k]));
    }
    putGroup<Program::kVector>(a.delta + static_cast<int64_t>(g.row) * a.deltaStride + g.column, delta,
                               g.left);
    putGroup<4>(tile.delta + m * deltaStride + n, delta, 4);
    tile.x[m * deltaStride + n] = loss;  // only this thread has read this group of x
  }
  __syncthreads();
  const int row = tile.row + static_cast<int>(threadIdx.x);
  if (static_cast<int>(threadIdx.x) < shape.rows() && row < a.rows) {
    float loss = 0;
    for (int n = 0; n < across; ++n) loss += tile.x[static_cast<int>(threadIdx.x) * deltaStride + 4 * n];
    a.losses[static_cast<int64_t>(blockIdx.x) % all.slices * a.rows + row] = loss;
  }
  return largest;
}

// This tile's part of the gradient in what the layer took, [rows, in] = delta weights^T: a warp takes all
// rows, and eight units at a time of every 64.
template <class Program>
__device__ inline void multiplyBack(const OutputBackTile<Program>& tile, const OutputBackArguments& a) {
  constexpr Precision P = Program::kPrecision;
  constexpr int kUnitTiles = Program::kMostRowTiles == 1 ? 8 : 8 / Program::kMostRowTiles;
  const int weightStride = tile.shape.weightStride();
  const int deltaStride = tile.shape.deltaStride();
  const float* delta = tile.delta + laneAlongRows(deltaStride);
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int in = a.output.in;
  float* to = a.parts + (static_cast<int64_t>(blockIdx.x) % a.slices * a.output.rows + tile.row + lane / 4) *
                            a.partStride;
#pragma unroll 1
  for (int first = 8 * warp; first < in; first += 8 * kOutputBackWarps * kUnitTiles) {
    const float* weights = tile.weights + first * weightStride + laneAlongRows(weightStride);
    const int tiles = (in - first + 8 * kOutputBackWarps - 1) / (8 * kOutputBackWarps);
    float sums[Program::kMostRowTiles][kUnitTiles][4] = {};
#pragma unroll 1
    for (int step = 0; step < tile.shape.columns(); step += kStep<P>) {
      Factor<P, 4> left[Program::kMostRowTiles];
      Factor<P, 2> right[kUnitTiles];
#pragma unroll
      for (int m = 0; m < Program::kRowTiles; ++m) {
        left[m] = leftFactor<P>([&](int i, int k) { return delta[(16 * m + i) * deltaStride + step + k]; });
      }
#pragma unroll
      for (int n = 0; n < kUnitTiles; ++n) {
        if (n < tiles) {
          right[n] = rightFactor<P>([&](int k, int /*unit*/) {
            return weights[n * 8 * kOutputBackWarps * weightStride + step + k];
          });
        }
      }
      multiplyTiles<P>(sums, left, right, Program::kRowTiles, tiles);
    }
#pragma unroll
    for (int m = 0; m < Program::kRowTiles; ++m) {
#pragma unroll
      for (int n = 0; n < kUnitTiles; ++n) {
        const int unit = first + n * 8 * kOutputBackWarps + lane % 4 * 2;
#pragma unroll
        for (int down = 0; down < 2; ++down) {
          // Rows of parts are whole eights of units.
          if (n < tiles && tile.row + 16 * m + 8 * down + lane / 4 < a.output.rows) {
            *reinterpret_cast<Floats<2>*>(to + (16 * m + 8 * down) * a.partStride + unit) =
                Floats<2>{sums[m][n][2 * down], sums[m][n][2 * down + 1]};
          }
        }
      }
    }
  }
}

// Grid: the tiles of the layer's output, those of one row after another.
template <class Program>
__device__ inline void outputBack(const OutputBackArguments& all) {
  TORCHVAE_DYNAMIC_SHARED(shared);
  const OutputArguments& a = all.output;
  const OutputBackTile<Program> tile(all, shared);
  const OutputBackShape& shape = tile.shape;
  beginPiece<Program::kVector>(tile.weights, shape.weightStride(), {a.weight, a.in, a.out, a.out}, 0,
                               shape.depth(), tile.column, shape.columns());
  // Several kernels have ended since these were written.
  beginPiece<4>(tile.x, shape.deltaStride(), {a.x, a.rows, a.out, a.xStride}, tile.row, shape.rows(),
                tile.column, shape.columns());
  awaitPrevious();
  admitNext();
  beginPiece<4>(tile.taken, strideAlong(shape.depth()), {a.h, a.rows, a.in, a.hStride}, tile.row,
                shape.rows(), 0, shape.depth());
  closeCopies();
  awaitCopies<0>();
  __syncthreads();
  multiplyOut<Program>(tile);
  uint32_t largest = finishOutput<Program>(tile, all);
  multiplyBack<Program>(tile, all);
  largest = blockMax(largest);
  if (threadIdx.x == 0) a.magnitudes[blockIdx.x] = largest;
}

}  // namespace torchvae::kernels
