// A tile of a matrix product by one block: factors come from global to shared memory in chunks of the depth,
// some of them ahead, and go through the warps' tensor cores.
#pragma once

#include "mma.cuh"
#include "tiles.h"

namespace torchvae::kernels {

// Values in global memory; rows begin `stride` apart, and a stride of whole 16 bytes means that they are
// aligned to as many.
template <class T>
struct MatrixOf {
  const T* values;
  int rows, columns, stride;
};
using Matrix = MatrixOf<float>;

// A factor of a product, kWidth of whose rows or columns the tile takes, as its chunks lie in shared memory.
template <Layout kLayout, int kWidth, int kDepth, class T = float>
struct Chunk {
  static constexpr int kValues = chunkValues(kLayout, kWidth, kDepth, sizeof(T));
  static constexpr int kRows = kLayout == kDepthAlongRows ? kWidth : kDepth;
  static constexpr int kColumns = kLayout == kDepthAlongRows ? kDepth : kWidth;
  static constexpr int kStride =
      kLayout == kDepthAlongRows ? strideAlong(kDepth, sizeof(T)) : strideAcross(kWidth);

  // Where a value lies: of a whole chunk, or beyond another value's place.
  __device__ static constexpr int offset(int index, int depth) {
    return kLayout == kDepthAlongRows ? index * kStride + depth : depth * kStride + index;
  }
  __device__ static T at(const T* chunk, int index, int depth) { return chunk[offset(index, depth)]; }
};

// Brings a factor's chunks to shared memory, one after another along the depth, kVector values a copy; beyond
// the factor's edges come zeros. A thread copies the same places of every chunk, so that a copy costs it few
// instructions: of those, not of bytes, small products are made.
template <Layout kLayout, int kWidth, int kDepth, int kVector, int kThreads, class T = float>
class Feed {
  using Chunks = Chunk<kLayout, kWidth, kDepth, T>;
  static constexpr int kAcross = Chunks::kColumns / kVector;  // copies to a row
  static constexpr int kFit = kThreads / kAcross;
  static constexpr int kDown = kFit < Chunks::kRows ? kFit : Chunks::kRows;  // rows at a time
  static constexpr int kTimes = (Chunks::kRows + kDown - 1) / kDown;

 public:
  // Chunks of rows, or columns, from `first` on.
  __device__ Feed(const MatrixOf<T>& from, int first) {
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
  __device__ void begin(T* chunk) {
    const int columns = columnsLeft_ < 0 ? 0 : (columnsLeft_ < kVector ? columnsLeft_ : kVector);
#pragma unroll
    for (int i = 0; i < kTimes; ++i) {
      constexpr bool isEven = kTimes * kDown == Chunks::kRows && kDown * kAcross == kThreads;
      if (isEven || i * kDown < rowsOfChunk_) {
        constexpr int kBytes = sizeof(T);
        beginCopy<kBytes * kVector>(chunk + place_ + i * kDown * Chunks::kStride, from_ + i * kDown * stride_,
                                    i * kDown < rowsLeft_ ? kBytes * columns : 0);
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
  const T* from_;
  int stride_, place_, rowsLeft_, columnsLeft_, rowsOfChunk_;
};

// Begins to copy rows [row, row + rows) and columns [column, column + columns) of a matrix to shared memory,
// in rows of `stride`, a warp each. What lies beyond the matrix becomes 0, and so do columns up to a whole
// copy.
template <int kVector>
__device__ inline void beginPiece(float* shared, int stride, const Matrix& from, int row, int rows,
                                  int column, int columns) {
  const int lane = static_cast<int>(threadIdx.x) % 32 * kVector;
#pragma unroll 4
  for (int r = threadIdx.x / 32; r < rows; r += static_cast<int>(blockDim.x) / 32) {
    const int there = row + r < from.rows ? from.columns - column : 0;
    const float* values = from.values + static_cast<int64_t>(row + r) * from.stride + column;
    for (int c = lane; c < columns; c += 32 * kVector) {
      const int left = there - c;
      beginCopy<4 * kVector>(shared + r * stride + c, values + c,
                             4 * (left < 0 ? 0 : (left < kVector ? left : kVector)));
    }
  }
}

// Begins to copy so many neighboring values, of which there are whole copies.
template <int kVector>
__device__ inline void beginValues(float* shared, const float* from, int count) {
#pragma unroll 4
  for (int i = static_cast<int>(threadIdx.x) * kVector; i < count;
       i += static_cast<int>(blockDim.x) * kVector)
    beginCopy<4 * kVector>(shared + i, from + i, 4 * kVector);
}

// Nothing more is done with a chunk than to multiply it.
struct NoVisit {
  template <class T>
  __device__ void operator()(const T* /*right*/) const {}
};
// Nothing is done until the first chunk is there.
struct NoErrand {
  __device__ void operator()() const {}
};
// The number of stages where a program does not say it.
struct FewStages {
  static constexpr int kStages = kernels::kStages;
};

// kRightVector: floats that the rows of the right factor, and so each copy of it, are aligned to. T: of the
// factors. Stages: has the number of stages of its ring.
template <Precision P, int kTile, Layout kLeft, Layout kRight, int kRightVector = 4, class T = float,
          class Stages = FewStages>
struct Product {
  static constexpr TileShape kShape = kTiles[kTile];
  static constexpr int kRows = kShape.rows();
  static constexpr int kColumns = kShape.columns();
  static constexpr int kDepth = kShape.chunk;
  static constexpr int kThreads = kShape.threads();
  using Left = Chunk<kLeft, kRows, kDepth, T>;
  using Right = Chunk<kRight, kColumns, kDepth, T>;
  static constexpr int kSumStride = strideAcross(kColumns);
  static constexpr int kSumFloats = kRows * kSumStride;
  using Sums = float[kShape.warpRows][kShape.warpColumns][4];

  // The tile at (row, column) of left x right. Leaves in `shared`, which must be free, the sums of every
  // share of the depth; sums() gives some of them. `visit` is called for each chunk with that of the right
  // factor, `errand` once while the first is on its way, both by all threads. The first chunks of `right`, or
  // with `isLeftThere` those of `left`, are asked for before the kernel waits for the one before it.
  template <class Visit = NoVisit, class Errand = NoErrand>
  __device__ static void run(float* shared, const Matrix& left, const Matrix& right, int row, int column,
                             int depth, const Visit& visit = {}, const Errand& errand = {},
                             bool isLeftThere = false) {
    Feed<kLeft, kRows, kDepth, 4, kThreads> ofLeft(left, row);
    Feed<kRight, kColumns, kDepth, kRightVector, kThreads> ofRight(right, column);
    multiply(shared, ofLeft, ofRight, (depth + kDepth - 1) / kDepth, visit, errand, isLeftThere);
  }

  // The same of so many chunks, which the feeds bring.
  template <class LeftFeed, class RightFeed, class Visit = NoVisit, class Errand = NoErrand>
  __device__ static void multiply(float* shared, LeftFeed& ofLeft, RightFeed& ofRight, int chunks,
                                  const Visit& visit = {}, const Errand& errand = {},
                                  bool isLeftThere = false) {
    const int kAhead = Stages::kStages - 1;
    constexpr int kStage = Left::kValues + Right::kValues;
    T* const ring = reinterpret_cast<T*>(shared);
    for (int i = 0; i < kAhead; ++i) {
      if (i >= chunks) continue;
      isLeftThere ? ofLeft.begin(ring + i * kStage) : ofRight.begin(ring + i * kStage + Left::kValues);
    }
    awaitPrevious();
    admitNext();
    for (int i = 0; i < kAhead; ++i) {
      if (i < chunks)
        isLeftThere ? ofRight.begin(ring + i * kStage + Left::kValues) : ofLeft.begin(ring + i * kStage);
      closeCopies();
    }
    errand();
    const Lane lane = laneOf();
    Sums sums = {};
    T* now = ring;                     // the chunk to multiply
    T* next = ring + kAhead * kStage;  // where the one begun now goes
    T* const end = ring + Stages::kStages * kStage;
#pragma unroll 1
    for (int chunk = 0; chunk < chunks; ++chunk) {
      awaitAllCopiesBut(kAhead - 1);
      __syncthreads();  // the chunk is there, and nobody reads the one before it any more
      if (chunk + kAhead < chunks) {
        ofRight.begin(next + Left::kValues);
        ofLeft.begin(next);
      }
      closeCopies();
      multiplyChunk(sums, now + lane.left, now + Left::kValues + lane.right);
      visit(now + Left::kValues);
      now = now + kStage == end ? ring : now + kStage;
      next = next + kStage == end ? ring : next + kStage;
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

  // Where a lane's values of the factors begin in their chunks. What else it reads lies at constant offsets.
  struct Lane {
    int left, right;
  };
  __device__ static Lane laneOf() {
    const int lane = threadIdx.x % 32;
    const Place at = place();
    const int depth = at.share * kStep<P> + lane % 4;
    return {Left::offset(at.row + lane / 4, depth), Right::offset(at.column + lane / 4, depth)};
  }

  // Beyond the product's depth there are zeros.
  __device__ static void multiplyChunk(Sums& sums, const T* a, const T* b) {
#pragma unroll
    for (int step = 0; step < kDepth; step += kShape.deep * kStep<P>) {
      // not a share for every warp
      if (kDepth < kShape.deep * kStep<P> && place().share * kStep<P> >= kDepth) break;
      Factor<P, 4> left[kShape.warpRows];
      Factor<P, 2> right[kShape.warpColumns];
#pragma unroll
      for (int m = 0; m < kShape.warpRows; ++m) {
        left[m] = leftFactor<P>([&](int i, int k) { return Left::at(a, 16 * m + i, step + k); });
      }
#pragma unroll
      for (int n = 0; n < kShape.warpColumns; ++n) {
        right[n] = rightFactor<P>([&](int k, int j) { return Right::at(b, 8 * n + j, step + k); });
      }
      multiplyTiles<P>(sums, left, right);
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

// The largest of all threads' values, for each of kCount kinds, in every thread. Once in a kernel.
template <int kCount>
__device__ inline void blockMax(uint32_t (&values)[kCount]) {
  __shared__ uint32_t largest[kCount];
  if (threadIdx.x < kCount) largest[threadIdx.x] = 0;
#pragma unroll
  for (int i = 0; i < kCount; ++i) values[i] = warpMax(values[i]);
  __syncthreads();
  if (threadIdx.x % 32 == 0) {
    for (int i = 0; i < kCount; ++i) atomicMax(&largest[i], values[i]);
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kCount; ++i) values[i] = largest[i];
}
__device__ inline uint32_t blockMax(uint32_t value) {
  uint32_t values[1] = {value};
  blockMax(values);
  return values[0];
}

// |x| by its bits, which order like the numbers and put infinity and NaN above all of them.
__device__ inline uint32_t magnitudeBits(float x) {
  return __float_as_uint(x) & 0x7fffffffu;
}

}  // namespace torchvae::kernels
