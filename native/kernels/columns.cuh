// A matrix [lines, columns] in vectors of neighboring columns. A thread keeps to its columns: what belongs to
// a column it reads once, and the column's sum it takes along.
#pragma once

#include "numbers.cuh"

namespace torchvae::kernels {

constexpr int kWalkThreads = 256;  // of a block that walks

// Values that one instruction reads or writes. Doubles are taken one by one: two at a time need more
// registers than there are.
template <class T>
constexpr int kVector = sizeof(T) == 8 ? 1 : 16 / sizeof(T);

template <class T, int N>
struct alignas(N * sizeof(T)) Pack {
  T values[N];
};

template <class T, int N>
__device__ inline void loadColumns(const void* from, int64_t first, Compute<T> (&to)[N]) {
  const Pack<T, N> pack = *reinterpret_cast<const Pack<T, N>*>(static_cast<const T*>(from) + first);
#pragma unroll
  for (int k = 0; k < N; ++k) to[k] = load(pack.values, k);
}
template <class T, int N>
__device__ inline void storeColumns(void* to, int64_t first, const Compute<T> (&from)[N]) {
  Pack<T, N> pack;
#pragma unroll
  for (int k = 0; k < N; ++k) store(pack.values, k, from[k]);
  *reinterpret_cast<Pack<T, N>*>(static_cast<T*>(to) + first) = pack;
}

// values[k] = body(values[k], k) in one copy of the body, which a compiler that unrolls the loop would take
// seconds for: the values move past it, so that none is addressed by a number that is not known.
template <class C, int N, class Body>
__device__ inline void forEach(C (&values)[N], const Body& body) {
#pragma unroll 1
  for (int i = 0; i < N; ++i) {
    const C made = body(values[0], i);
#pragma unroll
    for (int k = 0; k + 1 < N; ++k) values[k] = values[k + 1];
    values[N - 1] = made;
  }
}

// Where a thread walks: columns [column, column + N) of every `step`-th line from `line` on, which lies
// behind the last where nothing is left for the thread.
struct ColumnPlace {
  int64_t column, line, step;
};

// Of this thread in the `block`-th of `blocks`.
template <int N>
__device__ inline ColumnPlace placeIn(const ColumnWalk& walk, int block, int blocks) {
  const int own = threadIdx.x / walk.width;
  const int lines = kWalkThreads / walk.width;
  const int64_t column =
      (static_cast<int64_t>(block % walk.slices) * walk.width + threadIdx.x % walk.width) * N;
  const bool hasWork = own < lines && column < walk.columns;
  const int64_t first = static_cast<int64_t>(block / walk.slices) * lines + own;
  return {column, hasWork ? first : walk.lines, static_cast<int64_t>(blocks / walk.slices) * lines};
}

// to[line] = the sums of a block's threads, column by column, always in one order. Called by all its threads.
template <class C, int N>
__device__ inline void storeSums(const ColumnWalk& walk, const ColumnPlace& place, int line, C (&own)[N],
                                 C* to) {
  __shared__ C all[N][kWalkThreads];
  const int me = threadIdx.x;
  __syncthreads();  // an earlier call's readers are done
#pragma unroll
  for (int k = 0; k < N; ++k) all[k][me] = own[k];
  for (int left = kWalkThreads / walk.width; left > 1;) {
    const int half = (left + 1) / 2;
    __syncthreads();
    if (me / walk.width + half < left) {
#pragma unroll
      for (int k = 0; k < N; ++k) all[k][me] += all[k][me + half * walk.width];
    }
    left = half;
  }
  if (me >= walk.width || place.column >= walk.columns) return;
#pragma unroll
  for (int k = 0; k < N; ++k) to[line * static_cast<int64_t>(walk.columns) + place.column + k] = all[k][me];
}

}  // namespace torchvae::kernels
