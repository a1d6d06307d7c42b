// A tile of a matrix product by one block: factors come from global to shared memory in chunks of the depth,
// some of them ahead, and go through the warps' tensor cores.
#pragma once

#include "mma.cuh"
#include "tiles.h"

namespace torchvae::kernels {

// Floats in global memory; rows begin `stride` apart, and a stride divisible by 4 means that they are aligned
// to 16 bytes.
struct Matrix {
  const float* values;
  int rows, columns, stride;
};

// Begins to copy [kRows, kColumns] of `from` at (row, column) into rows of kStride; beyond its edges come
// zeros.
template <int kRows, int kColumns, int kStride, int kVector>
__device__ inline void beginRectangle(float* to, const Matrix& from, int row, int column) {
  constexpr int kAcross = kColumns / kVector;
#pragma unroll kVector
  for (int i = threadIdx.x; i < kRows * kAcross; i += kBlockThreads) {
    const int r = i / kAcross;
    const int c = i % kAcross * kVector;
    const int left = from.columns - column - c;
    const int valid = row + r >= from.rows || left <= 0 ? 0 : (left < kVector ? left : kVector);
    const int64_t at = valid == 0 ? 0 : static_cast<int64_t>(row + r) * from.stride + column + c;
    beginCopy<4 * kVector>(to + r * kStride + c, from.values + at, 4 * valid);
  }
}

// A factor of a product, kWidth of whose rows or columns the tile takes.
template <Layout kLayout, int kWidth, int kDepth>
struct Chunk {
  static constexpr int kFloats = chunkFloats(kLayout, kWidth, kDepth);
  static constexpr int kRows = kLayout == kDepthAlongRows ? kWidth : kDepth;
  static constexpr int kColumns = kLayout == kDepthAlongRows ? kDepth : kWidth;
  static constexpr int kStride = kLayout == kDepthAlongRows ? strideAlong(kDepth) : strideAcross(kWidth);

  __device__ static void begin(float* to, const Matrix& from, int first, int depth) {
    const int row = kLayout == kDepthAlongRows ? first : depth;
    const int column = kLayout == kDepthAlongRows ? depth : first;
    if (from.stride % 4 == 0) {
      beginRectangle<kRows, kColumns, kStride, 4>(to, from, row, column);
    } else {
      beginRectangle<kRows, kColumns, kStride, 1>(to, from, row, column);
    }
  }
  __device__ static float at(const float* chunk, int index, int depth) {
    return kLayout == kDepthAlongRows ? chunk[index * kStride + depth] : chunk[depth * kStride + index];
  }
};

// Nothing more is done with a chunk than to multiply it.
struct NoVisit {
  __device__ void operator()(const float* /*right*/, int /*depth*/) const {}
};

template <Precision P, int kTile, Layout kLeft, Layout kRight>
struct Product {
  static constexpr TileShape kShape = kTiles[kTile];
  static constexpr int kRows = kShape.rows();
  static constexpr int kColumns = kShape.columns();
  static constexpr int kDepth = kShape.chunk();
  using Left = Chunk<kLeft, kRows, kDepth>;
  using Right = Chunk<kRight, kColumns, kDepth>;
  static constexpr int kSumStride = strideAcross(kColumns);
  static constexpr int kSumFloats = kRows * kSumStride;
  using Sums = float[kShape.warpRows][kShape.warpColumns][4];

  // The tile at (row, column) of left x right. Leaves in `shared`, which must be free, the sums of every
  // share of the depth; sum() gives a value. `visit` is called for each chunk with that of the right factor,
  // by all threads. The first chunk of `right` is asked for before the kernel waits for the one before it.
  template <class Visit = NoVisit>
  __device__ static void run(float* shared, const Matrix& left, const Matrix& right, int row, int column,
                             int depth, Visit&& visit = {}) {
    const auto stage = [&](int chunk) { return shared + chunk % kStages * (Left::kFloats + Right::kFloats); };
    constexpr int kAhead = kStages - 1;
    Sums sums = {};
#pragma unroll 1
    for (int chunk = -kAhead; chunk * kDepth < depth; ++chunk) {
      if (chunk >= 0) {
        awaitCopies<kAhead - 1>();
        __syncthreads();  // the chunk is there, and nobody reads the one before it any more
      }
      const int next = chunk + kAhead;
      const bool hasNext = next * kDepth < depth;
      if (hasNext) Right::begin(stage(next) + Left::kFloats, right, column, next * kDepth);
      if (next == 0) {
        awaitPrevious();
        admitNext();
      }
      if (hasNext) Left::begin(stage(next), left, row, next * kDepth);
      closeCopies();
      if (chunk < 0) continue;
      const float* factors = stage(chunk);
      multiplyChunk(sums, factors, factors + Left::kFloats, depth - chunk * kDepth);
      visit(factors + Left::kFloats, depth - chunk * kDepth);
    }
    awaitCopies<0>();
    __syncthreads();
    storeSums(shared, sums);
    __syncthreads();
  }

  // A value of the tile: the sum over the shares of the depth, always in one order.
  __device__ static float sum(const float* shared, int row, int column) {
    float sum = 0;
#pragma unroll
    for (int share = 0; share < kShape.deep; ++share)
      sum += shared[share * kSumFloats + row * kSumStride + column];
    return sum;
  }

  // Where a warp's part begins.
  struct Place {
    int row, column, share;
  };
  __device__ static Place place() {
    const int warp = threadIdx.x / 32;
    return {warp / kShape.deep / kShape.across * 16 * kShape.warpRows,
            warp / kShape.deep % kShape.across * 8 * kShape.warpColumns, warp % kShape.deep};
  }

  // `left` of the chunk's depth are there.
  __device__ static void multiplyChunk(Sums& sums, const float* a, const float* b, int depth) {
    const int lane = threadIdx.x % 32;
    const Place at = place();
#pragma unroll 2
    for (int step = at.share * kStep<P>; step < kDepth; step += kShape.deep * kStep<P>) {
      if (step >= depth) break;
      Factor<P, 4> left[kShape.warpRows];
      Factor<P, 2> right[kShape.warpColumns];
#pragma unroll
      for (int m = 0; m < kShape.warpRows; ++m) {
        left[m] =
            leftFactor<P>(lane, [&](int i, int k) { return Left::at(a, at.row + 16 * m + i, step + k); });
      }
#pragma unroll
      for (int n = 0; n < kShape.warpColumns; ++n) {
        right[n] =
            rightFactor<P>(lane, [&](int k, int j) { return Right::at(b, at.column + 8 * n + j, step + k); });
      }
      multiply<P>(sums, left, right);
    }
  }

  __device__ static void storeSums(float* shared, const Sums& sums) {
    const int lane = threadIdx.x % 32;
    const Place at = place();
#pragma unroll
    for (int m = 0; m < kShape.warpRows; ++m) {
#pragma unroll
      for (int n = 0; n < kShape.warpColumns; ++n) {
        float* to = shared + at.share * kSumFloats + (at.row + 16 * m + lane / 4) * kSumStride + at.column +
                    8 * n + 2 * (lane % 4);
        to[0] = sums[m][n][0];
        to[1] = sums[m][n][1];
        to[8 * kSumStride] = sums[m][n][2];
        to[8 * kSumStride + 1] = sums[m][n][3];
      }
    }
  }
};

// The largest of all threads' values, in every thread; blocks of kBlockThreads.
__device__ inline uint32_t blockMax(uint32_t value) {
  __shared__ uint32_t ofWarp[kWarps];
  for (int offset = 16; offset > 0; offset >>= 1) {
    const uint32_t other = __shfl_xor_sync(0xffffffffu, value, offset);
    value = other > value ? other : value;
  }
  __syncthreads();  // an earlier call's readers are done
  if (threadIdx.x % 32 == 0) ofWarp[threadIdx.x / 32] = value;
  __syncthreads();
  for (int warp = 0; warp < kWarps; ++warp) value = ofWarp[warp] > value ? ofWarp[warp] : value;
  return value;
}

// |x| by its bits, which order like the numbers and put infinity and NaN above all of them.
__device__ inline uint32_t magnitudeBits(float x) {
  return __float_as_uint(x) & 0x7fffffffu;
}

}  // namespace torchvae::kernels
