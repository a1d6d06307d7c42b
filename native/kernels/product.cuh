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

// A factor of a product, kWidth of whose rows or columns the tile takes, as its chunks lie in shared memory.
template <Layout kLayout, int kWidth, int kDepth>
struct Chunk {
  static constexpr int kFloats = chunkFloats(kLayout, kWidth, kDepth);
  static constexpr int kRows = kLayout == kDepthAlongRows ? kWidth : kDepth;
  static constexpr int kColumns = kLayout == kDepthAlongRows ? kDepth : kWidth;
  static constexpr int kStride = kLayout == kDepthAlongRows ? strideAlong(kDepth) : strideAcross(kWidth);

  __device__ static float at(const float* chunk, int index, int depth) {
    return kLayout == kDepthAlongRows ? chunk[index * kStride + depth] : chunk[depth * kStride + index];
  }
};

// Brings a factor's chunks to shared memory, one after another along the depth, kVector floats a copy; beyond
// the factor's edges come zeros. A thread copies the same places of every chunk, so that a copy costs it few
// instructions: of those, not of bytes, small products are made.
template <Layout kLayout, int kWidth, int kDepth, int kVector, int kThreads>
class Feed {
  using Chunks = Chunk<kLayout, kWidth, kDepth>;
  static constexpr int kAcross = Chunks::kColumns / kVector;  // copies to a row
  static constexpr int kFit = kThreads / kAcross;
  static constexpr int kDown = kFit < Chunks::kRows ? kFit : Chunks::kRows;  // rows at a time
  static constexpr int kTimes = (Chunks::kRows + kDown - 1) / kDown;

 public:
  // Chunks of rows, or columns, from `first` on.
  __device__ Feed(const Matrix& from, int first) {
    const int row = static_cast<int>(threadIdx.x) / kAcross;
    const int column = static_cast<int>(threadIdx.x) % kAcross * kVector;
    const int firstRow = kLayout == kDepthAlongRows ? first + row : row;
    const int firstColumn = kLayout == kDepthAlongRows ? column : first + column;
    place_ = row * Chunks::kStride + column;
    from_ = from.values + static_cast<int64_t>(firstRow) * from.stride + firstColumn;
    stride_ = from.stride;
    rowsLeft_ = from.rows - firstRow;
    columnsLeft_ = from.columns - firstColumn;
    rowsOfChunk_ = row < kDown ? Chunks::kRows - row : 0;
  }

  // Begins to copy the next chunk.
  __device__ void begin(float* chunk) {
    const int columns = columnsLeft_ < 0 ? 0 : (columnsLeft_ < kVector ? columnsLeft_ : kVector);
#pragma unroll
    for (int i = 0; i < kTimes; ++i) {
      constexpr bool isEven = kTimes * kDown == Chunks::kRows && kDown * kAcross == kThreads;
      if (isEven || i * kDown < rowsOfChunk_) {
        beginCopy<4 * kVector>(chunk + place_ + i * kDown * Chunks::kStride, from_ + i * kDown * stride_,
                               i * kDown < rowsLeft_ ? 4 * columns : 0);
      }
    }
    if constexpr (kLayout == kDepthAlongRows) {
      from_ += kDepth;
      columnsLeft_ -= kDepth;
    } else {
      from_ += kDepth * stride_;
      rowsLeft_ -= kDepth;
    }
  }

 private:
  const float* from_;
  int stride_, place_, rowsLeft_, columnsLeft_, rowsOfChunk_;
};

// Nothing more is done with a chunk than to multiply it.
struct NoVisit {
  __device__ void operator()(const float* /*right*/) const {}
};
// Nothing is done until the first chunk is there.
struct NoErrand {
  __device__ void operator()() const {}
};

// kRightVector: floats that the rows of the right factor, and so each copy of it, are aligned to.
template <Precision P, int kTile, Layout kLeft, Layout kRight, int kRightVector = 4>
struct Product {
  static constexpr TileShape kShape = kTiles[kTile];
  static constexpr int kRows = kShape.rows();
  static constexpr int kColumns = kShape.columns();
  static constexpr int kDepth = kShape.chunk;
  static constexpr int kThreads = kShape.threads();
  using Left = Chunk<kLeft, kRows, kDepth>;
  using Right = Chunk<kRight, kColumns, kDepth>;
  static constexpr int kSumStride = strideAcross(kColumns);
  static constexpr int kSumFloats = kRows * kSumStride;
  using Sums = float[kShape.warpRows][kShape.warpColumns][4];

  // The tile at (row, column) of left x right. Leaves in `shared`, which must be free, the sums of every
  // share of the depth; sums() gives some of them. `visit` is called for each chunk with that of the right
  // factor, `errand` once while the first is on its way, both by all threads. The first chunks of `right` are
  // asked for before the kernel waits for the one before it.
  template <class Visit = NoVisit, class Errand = NoErrand>
  __device__ static void run(float* shared, const Matrix& left, const Matrix& right, int row, int column,
                             int depth, const Visit& visit = {}, const Errand& errand = {}) {
    constexpr int kAhead = kStages - 1;
    constexpr int kStage = Left::kFloats + Right::kFloats;
    const int chunks = (depth + kDepth - 1) / kDepth;
    Feed<kLeft, kRows, kDepth, 4, kThreads> ofLeft(left, row);
    Feed<kRight, kColumns, kDepth, kRightVector, kThreads> ofRight(right, column);
    for (int i = 0; i < kAhead; ++i) {
      if (i < chunks) ofRight.begin(shared + i * kStage + Left::kFloats);
    }
    awaitPrevious();
    admitNext();
    for (int i = 0; i < kAhead; ++i) {
      if (i < chunks) ofLeft.begin(shared + i * kStage);
      closeCopies();
    }
    errand();
    Sums sums = {};
    float* now = shared;                     // the chunk to multiply
    float* next = shared + kAhead * kStage;  // where the one begun now goes
    float* const end = shared + kStages * kStage;
#pragma unroll 1
    for (int chunk = 0; chunk < chunks; ++chunk) {
      awaitCopies<kAhead - 1>();
      __syncthreads();  // the chunk is there, and nobody reads the one before it any more
      if (chunk + kAhead < chunks) {
        ofRight.begin(next + Left::kFloats);
        ofLeft.begin(next);
      }
      closeCopies();
      multiplyChunk(sums, now, now + Left::kFloats);
      visit(now + Left::kFloats);
      now = now + kStage == end ? shared : now + kStage;
      next = next + kStage == end ? shared : next + kStage;
    }
    awaitCopies<0>();
    __syncthreads();
    storeSums(shared, sums);
    __syncthreads();
  }

  // Neighboring values of a row: each the sum over the shares of the depth, always in one order.
  template <int kCount>
  __device__ static Floats<kCount> sums(const float* shared, int row, int column) {
    const float* from = shared + row * kSumStride + column;
    Floats<kCount> sums = *reinterpret_cast<const Floats<kCount>*>(from);
#pragma unroll
    for (int share = 1; share < kShape.deep; ++share) {
      const auto more = *reinterpret_cast<const Floats<kCount>*>(from + share * kSumFloats);
#pragma unroll
      for (int i = 0; i < kCount; ++i) sums.of[i] += more.of[i];
    }
    return sums;
  }
  __device__ static float sum(const float* shared, int row, int column) {
    return sums<1>(shared, row, column).of[0];
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

  // Beyond the product's depth there are zeros.
  __device__ static void multiplyChunk(Sums& sums, const float* a, const float* b) {
    const int lane = threadIdx.x % 32;
    const Place at = place();
#pragma unroll
    for (int i = 0; i < kDepth; i += kShape.deep * kStep<P>) {
      const int step = i + at.share * kStep<P>;
      if (kDepth < kShape.deep * kStep<P> && step >= kDepth) break;  // not a share for every warp
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

// The largest of all threads' values, for each of kCount kinds, in every thread; blocks of kThreads.
template <int kThreads, int kCount>
__device__ inline void blockMax(uint32_t (&values)[kCount]) {
  constexpr int kWarps = kThreads / 32;
  __shared__ uint32_t ofWarp[kWarps][kCount];
#pragma unroll
  for (int i = 0; i < kCount; ++i) values[i] = warpMax(values[i]);
  __syncthreads();  // an earlier call's readers are done
  if (threadIdx.x % 32 == 0) {
    for (int i = 0; i < kCount; ++i) ofWarp[threadIdx.x / 32][i] = values[i];
  }
  __syncthreads();
#pragma unroll
  for (int warp = 0; warp < kWarps; ++warp) {
    for (int i = 0; i < kCount; ++i) values[i] = ofWarp[warp][i] > values[i] ? ofWarp[warp][i] : values[i];
  }
}
template <int kThreads>
__device__ inline uint32_t blockMax(uint32_t value) {
  uint32_t values[1] = {value};
  blockMax<kThreads>(values);
  return values[0];
}

// |x| by its bits, which order like the numbers and put infinity and NaN above all of them.
__device__ inline uint32_t magnitudeBits(float x) {
  return __float_as_uint(x) & 0x7fffffffu;
}

}  // namespace torchvae::kernels
