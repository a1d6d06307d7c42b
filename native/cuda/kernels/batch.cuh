// A step's inputs: the batch's examples and its noise, in one kernel.
#pragma once

#include "philox.cuh"

namespace torchvae::kernels {

constexpr int kNoisePerBlock = 256;

template <class T, class From>
__device__ inline void copyRow(const From* from, T* to, int columns, int channels) {
  const int pixels = columns / channels;
  for (int j = threadIdx.x; j < columns; j += blockDim.x) {
    const int place = channels == 1 ? j : j % pixels * channels + j / pixels;
    if constexpr (sizeof(From) == 1) {
      store(to, place, static_cast<Compute<T>>(from[j]) / Compute<T>(255));
    } else {
      store(to, place, static_cast<Compute<T>>(from[j]));
    }
  }
}

// Grid: a block of 256 threads for each row, then one for every kNoisePerBlock numbers of the noise.
template <class T>
__device__ inline void loadBatch(const LoadArguments& a) {
  const int block = blockIdx.x;
  if (block < a.rows) {
    const int64_t first = a.state != nullptr ? a.state->batch * a.batchSize : a.first;
    const int64_t row = a.order[first + block];
    T* to = static_cast<T*>(a.x) + static_cast<int64_t>(block) * a.columns;
    if (a.isUint8 != 0) {
      copyRow(static_cast<const uint8_t*>(a.data) + row * a.columns, to, a.columns, a.channels);
    } else {
      copyRow(static_cast<const float*>(a.data) + row * a.columns, to, a.columns, a.channels);
    }
    return;
  }
  const int64_t index = static_cast<int64_t>(block - a.rows) * kNoisePerBlock + threadIdx.x;
  if (index >= static_cast<int64_t>(a.rows) * a.latent) return;
  const int64_t step = a.state != nullptr ? a.state->step : a.step;
  static_cast<Compute<T>*>(a.noise)[index] = normal(index, static_cast<uint64_t>(step), a.stream, a.seed);
}

}  // namespace torchvae::kernels
