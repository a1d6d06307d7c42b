// A step's inputs: the batch's examples and its noise in one kernel, and random numbers alone.
#pragma once

#include "instructions.cuh"
#include "philox.cuh"

namespace torchvae::kernels {

constexpr int kNoisePerBlock = 256;

// A row's values, on their places in x; where they are drawn, its numbers begin at `firstNumber`.
template <class T, class From>
__device__ inline void copyRow(const LoadArguments& a, const From* from, T* to, int64_t firstNumber,
                               uint64_t step) {
  using C = Compute<T>;
  constexpr int kAhead = 4;  // values that a thread asks for before it stores the first
  const int pixels = a.columns / a.channels;
  for (int first = threadIdx.x; first < a.columns; first += kAhead * blockDim.x) {
    From loaded[kAhead];
    const auto forAhead = [&](const auto& f) {
#pragma unroll
      for (int k = 0; k < kAhead; ++k) {
        const int j = first + k * static_cast<int>(blockDim.x);
        if (j < a.columns) f(k, j);
      }
    };
    forAhead([&](int k, int j) { loaded[k] = from[j]; });
    forAhead([&](int k, int j) {
      C value = static_cast<C>(loaded[k]);
      if constexpr (sizeof(From) == 1) value /= C(255);
      if (a.binaryStream != 0) {
        value = uniform(firstNumber + j, step, a.binaryStream, a.seed) < value ? C(1) : C(0);
      }
      store(to, a.channels == 1 ? j : j % pixels * a.channels + j / pixels, value);
    });
  }
}

// A one-hot label behind the `columns` values of a row of `stride`.
template <class T>
__device__ inline void storeLabel(T* row, int columns, int stride, int64_t label) {
  for (int j = columns + threadIdx.x; j < stride; j += blockDim.x)
    store(row, j, Compute<T>(j - columns == label ? 1 : 0));
}

// Blocks of 256 threads, any number of them.
template <class T>
__device__ inline void fillRandom(const RandomArguments& a) {
  const auto step = static_cast<uint64_t>(a.state != nullptr ? a.state->step : a.step);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < a.count; i += stride) {
    // Away from 0 and 1, as random/draws.cpp has it.
    const float drawn = a.isUniform != 0 ? uniform(i, step, a.stream, a.seed) * (1.0f - kUnit) + 0.5f * kUnit
                                         : normal(i, step, a.stream, a.seed);
    store(static_cast<T*>(a.to), i, static_cast<Compute<T>>(drawn));
  }
}

// Grid: a block of 256 threads for each row, then one for every kNoisePerBlock numbers of the noise.
template <class T>
__device__ inline void loadBatch(const LoadArguments& a) {
  awaitPrevious();
  admitNext();
  const int block = blockIdx.x;
  const auto step = static_cast<uint64_t>(a.state != nullptr ? a.state->step : a.step);
  if (block < a.rows) {
    const int64_t first = a.state != nullptr ? a.state->batch * a.batchSize : a.first;
    const int64_t row = a.order[first + block];
    // As data/resident.cpp numbers them: each row begins with a whole block of four.
    const int64_t firstNumber = static_cast<int64_t>(block) * ((a.columns + 3) / 4 * 4);
    T* to = static_cast<T*>(a.x) + static_cast<int64_t>(block) * a.xStride;
    if (a.isUint8 != 0) {
      copyRow(a, static_cast<const uint8_t*>(a.data) + row * a.columns, to, firstNumber, step);
    } else {
      copyRow(a, static_cast<const float*>(a.data) + row * a.columns, to, firstNumber, step);
    }
    if (a.labels != nullptr) {
      storeLabel(to, a.columns, a.xStride, a.labels[row]);
      storeLabel(static_cast<T*>(a.z) + static_cast<int64_t>(block) * a.zStride, a.latent, a.zStride,
                 a.labels[row]);
    }
    return;
  }
  const int64_t index = static_cast<int64_t>(block - a.rows) * kNoisePerBlock + threadIdx.x;
  if (index >= static_cast<int64_t>(a.rows) * a.latent) return;
  static_cast<Compute<T>*>(a.noise)[index] = normal(index, step, a.stream, a.seed);
}

}  // namespace torchvae::kernels
