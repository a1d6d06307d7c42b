// Products of matrices in shared memory by all threads of a block: a thread takes some lines by four columns
// at a time, which it sums up in float32, one product after another. The order of a sum is the same whatever
// the number of lines.
//
// Rows are rowStride() apart. What lies behind their values is read, and what comes of it is not used.
#pragma once

#include "activation.cuh"
#include "block_arguments.h"
#include "instructions.cuh"

namespace torchvae::kernels {

template <int kCount>
__device__ inline Floats<kCount> floatsAt(const float* p) {
  return *reinterpret_cast<const Floats<kCount>*>(p);
}

// The `line`th four of a tile's sums.
template <int kCount>
__device__ inline void putFour(float* place, const float (&sums)[kCount], int line) {
  Floats<4> four;
#pragma unroll
  for (int c = 0; c < 4; ++c) four.of[c] = sums[4 * line + c];
  *reinterpret_cast<Floats<4>*>(place) = four;
}

// sums [kLines, 4] += left x right.
template <int kLines>
__device__ inline void addOuter(float (&sums)[kLines * 4], const float (&left)[kLines],
                                const Floats<4>& right) {
#pragma unroll
  for (int i = 0; i < kLines; ++i) {
#pragma unroll
    for (int c = 0; c < 4; ++c) sums[4 * i + c] += left[i] * right.of[c];
  }
}

template <int kLines>
struct Lines {
  static constexpr int kCount = kLines;
};
__device__ inline int groupsOf(int count, int each) {
  return (count + each - 1) / each;
}

// Calls f with the most lines a thread of which half of the threads have some. `tiles(lines)` says how many
// tiles there are.
template <class Tiles, class F>
__device__ inline void withLines(const Tiles& tiles, const F& f) {
  if (2 * tiles(4) >= kBlockThreads) {
    f(Lines<4>{});
  } else if (2 * tiles(2) >= kBlockThreads) {
    f(Lines<2>{});
  } else {
    f(Lines<1>{});
  }
}

// to [rows, out] = from [rows, in] W + b, with nothing for what is negative where `isRelu` is set.
template <int kLines>
__device__ inline void forwardTiles(const BlockLayer& layer, const float* from, const float* matrix,
                                    float* to, int rows, bool isRelu) {
  const int in = layer.in, inStride = rowStride(in), stride = rowStride(layer.out);
  const int across = groupsOf(layer.out, 4);
  const int tiles = groupsOf(rows, kLines) * across;
#pragma unroll 1
  for (int t = threadIdx.x; t < tiles; t += kBlockThreads) {
    const int row = t / across * kLines;
    const int column = t % across * 4;
    const float* x = from + row * inStride;
    const float* w = matrix + column;
    const Floats<4> bias = floatsAt<4>(w + in * stride);
    float sums[kLines * 4];
#pragma unroll
    for (int i = 0; i < kLines * 4; ++i) sums[i] = bias.of[i % 4];
    int k = 0;
#pragma unroll 2
    for (; k + 4 <= in; k += 4) {
      Floats<4> four[kLines];
#pragma unroll
      for (int i = 0; i < kLines; ++i) four[i] = floatsAt<4>(x + i * inStride + k);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        float left[kLines];
#pragma unroll
        for (int i = 0; i < kLines; ++i) left[i] = four[i].of[j];
        addOuter<kLines>(sums, left, floatsAt<4>(w + (k + j) * stride));
      }
    }
#pragma unroll 1
    for (; k < in; ++k) {
      float left[kLines];
#pragma unroll
      for (int i = 0; i < kLines; ++i) left[i] = x[i * inStride + k];
      addOuter<kLines>(sums, left, floatsAt<4>(w + k * stride));
    }
    if (isRelu) {
#pragma unroll
      for (int i = 0; i < kLines * 4; ++i) sums[i] = activated<float>(kRelu, sums[i]);
    }
#pragma unroll
    for (int i = 0; i < kLines; ++i) {
      putFour(to + (row + i) * stride + column, sums, i);
    }
  }
}

// finish(row, column, delta [rows, out] W^T) for the first `columns` values of every row of the layer's
// input. A thread's columns are far from each other, so that neighboring threads read neighboring rows of W.
template <int kLines, class Finish>
__device__ inline void backTiles(const BlockLayer& layer, const float* delta, const float* matrix,
                                 int columns, int rows, const Finish& finish) {
  const int out = layer.out, stride = rowStride(out);
  const int across = groupsOf(columns, 4);
  const int tiles = groupsOf(rows, kLines) * across;
#pragma unroll 1
  for (int t = threadIdx.x; t < tiles; t += kBlockThreads) {
    const int row = t / across * kLines;
    const int column = t % across;
    const float* d = delta + row * stride;
    const float* w[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int k = column + j * across;
      w[j] = matrix + (k < columns ? k : column) * stride;
    }
    float sums[kLines * 4] = {};
    int n = 0;
#pragma unroll 1
    for (; n + 4 <= out; n += 4) {
      Floats<4> left[kLines];
#pragma unroll
      for (int i = 0; i < kLines; ++i) left[i] = floatsAt<4>(d + i * stride + n);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const Floats<4> right = floatsAt<4>(w[j] + n);
#pragma unroll
        for (int i = 0; i < kLines; ++i) {
#pragma unroll
          for (int c = 0; c < 4; ++c) sums[4 * i + j] += left[i].of[c] * right.of[c];
        }
      }
    }
#pragma unroll 1
    for (; n < out; ++n) {
#pragma unroll
      for (int i = 0; i < kLines * 4; ++i) sums[i] += d[i / 4 * stride + n] * w[i % 4][n];
    }
    finish(row, column, across, sums);
  }
}

// Tiles of a layer's gradient: those of W, and those of the bias.
__device__ inline int gradientTilesOf(const BlockLayer& layer, int lines) {
  return (groupsOf(layer.in, lines) + 1) * groupsOf(layer.out, 4);
}

// A tile of from^T delta, or of delta's column sums, into `gradients`, a copy of the parameters. Returns the
// sum of the squares.
template <int kLines>
__device__ inline float gradientTile(const BlockLayer& layer, const float* from, const float* delta,
                                     float* gradients, int tile, int rows) {
  const int inStride = rowStride(layer.in), stride = rowStride(layer.out);
  const int across = groupsOf(layer.out, 4);
  const int line = tile / across * kLines;
  const int column = tile % across * 4;
  const bool isBias = line >= layer.in;
  const float* x = from + line;
  const float* d = delta + column;
  float sums[kLines * 4] = {};
  if (isBias) {
#pragma unroll 4
    for (int r = 0; r < rows; ++r) {
      const Floats<4> right = floatsAt<4>(d + r * stride);
#pragma unroll
      for (int c = 0; c < 4; ++c) sums[c] += right.of[c];
    }
  } else {
#pragma unroll 4
    for (int r = 0; r < rows; ++r)
      addOuter<kLines>(sums, floatsAt<kLines>(x + r * inStride).of, floatsAt<4>(d + r * stride));
  }
  float* place = gradients + layer.matrix + (isBias ? layer.in : line) * stride + column;
  float squares = 0;
#pragma unroll
  for (int i = 0; i < kLines; ++i) {
    if (isBias ? i > 0 : line + i >= layer.in) continue;
    putFour(place + i * stride, sums, i);
#pragma unroll
    for (int c = 0; c < 4; ++c) {
      if (column + c < layer.out) squares += sums[4 * i + c] * sums[4 * i + c];
    }
  }
  return squares;
}

}  // namespace torchvae::kernels
