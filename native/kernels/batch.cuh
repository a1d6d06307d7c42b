// A step's inputs: the batch's examples and its noise in one kernel, and random numbers alone.
#pragma once

#include "columns.cuh"
#include "instructions.cuh"
#include "philox.cuh"

namespace torchvae::kernels {

constexpr int kNoisePerBlock = 256;

template <class C, class From>
__device__ inline C scaled(From value) {
  return sizeof(From) == 1 ? static_cast<C>(value) / C(255) : static_cast<C>(value);
}
// 0 or 1, by the number of place `j` in the batch's row `row`. As data/resident.cpp numbers them: each row
// begins with a whole block of four.
template <class C>
__device__ inline C drawn(const LoadArguments& a, C chance, int row, int j, uint64_t step) {
  const int64_t index = (static_cast<int64_t>(a.place) + row) * ((a.columns + 3) / 4 * 4) + j;
  return uniform(index, step, a.binaryStream, a.seed) < chance ? C(1) : C(0);
}

// Of the kRowLoaders threads that copy a row.
constexpr int kRowLoaders = 256;
__device__ inline int rowLoader() {
  return static_cast<int>(threadIdx.x) % kRowLoaders;
}

template <class T, class From>
__device__ inline void copyRow(const LoadArguments& a, const From* from, T* to, int row, uint64_t step) {
  constexpr int kAhead = 4;  // values that a thread asks for before it stores the first
  for (int first = rowLoader(); first < a.columns; first += kAhead * kRowLoaders) {
    From loaded[kAhead];
    const auto forAhead = [&](const auto& f) {
#pragma unroll
      for (int k = 0; k < kAhead; ++k) {
        const int j = first + k * kRowLoaders;
        if (j < a.columns) f(k, j);
      }
    };
    forAhead([&](int k, int j) { loaded[k] = from[j]; });
    forAhead([&](int k, int j) {
      Compute<T> value = scaled<Compute<T>>(loaded[k]);
      if (a.binaryStream != 0) value = drawn(a, value, row, j, step);
      store(to, j, value);
    });
  }
}

// A row that is an image, stored in vectors of channels, of which a thread takes one at a time.
template <class T, class From>
__device__ inline void copyImage(const LoadArguments& a, const From* from, T* to, int row, uint64_t step) {
  constexpr int N = kVector<T>;
  const int pixels = a.columns / a.channels;
  for (int first = 0; first < a.storedChannels; first += N) {
    for (int pixel = rowLoader(); pixel < pixels; pixel += kRowLoaders) {
      Compute<T> values[N] = {};
#pragma unroll
      for (int k = 0; k < N; ++k) {
        if (first + k < a.channels) values[k] = scaled<Compute<T>>(from[(first + k) * pixels + pixel]);
      }
      if (a.binaryStream != 0) {
        forEach(values, [&](Compute<T> value, int k) {
          return drawn(a, value, row, (first + k) * pixels + pixel, step);
        });
      }
      storeColumns<T, N>(to, static_cast<int64_t>(pixel) * a.storedChannels + first, values);
    }
  }
}

// The values of a row.
template <class T, class From>
__device__ inline void copyExample(const LoadArguments& a, const From* from, T* to, int row, uint64_t step) {
  a.storedChannels == 1 ? copyRow(a, from, to, row, step) : copyImage(a, from, to, row, step);
}

// A one-hot label behind the `columns` values of a row of `stride`.
template <class T>
__device__ inline void storeLabel(T* row, int columns, int stride, int64_t label) {
  for (int j = columns + rowLoader(); j < stride; j += kRowLoaders)
    store(row, j, Compute<T>(j - columns == label ? 1 : 0));
}

// Blocks of 256 threads, any number of them.
template <class T>
__device__ inline void fillRandom(const RandomArguments& a) {
  const auto step = static_cast<uint64_t>(a.state != nullptr ? a.state->step : a.step);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < a.count; i += stride) {
    // Away from 0 and 1, as random/draws.cpp has it.
    const int64_t index = a.first + i;
    const float drawn = a.isUniform != 0
                            ? uniform(index, step, a.stream, a.seed) * (1.0f - kUnit) + 0.5f * kUnit
                            : normal(index, step, a.stream, a.seed);
    store(static_cast<T*>(a.to), i, static_cast<Compute<T>>(drawn));
  }
}

// The step whose noise a batch has.
__device__ inline uint64_t stepOf(const LoadArguments& a) {
  return static_cast<uint64_t>(a.state != nullptr ? a.state->step + a.ahead : a.step);
}

// A row of the batch, by kRowLoaders threads.
template <class T>
__device__ inline void loadRow(const LoadArguments& a, int place) {
  const uint64_t step = stepOf(a);
  const int64_t first = a.first + (a.state != nullptr ? (a.state->batch + a.ahead) * a.batchSize : 0);
  const int64_t row = a.order[first + place];
  T* to = static_cast<T*>(a.x) + static_cast<int64_t>(place) * a.xStride;
  if (a.isUint8 != 0) {
    copyExample(a, static_cast<const uint8_t*>(a.data) + row * a.columns, to, place, step);
  } else {
    copyExample(a, static_cast<const float*>(a.data) + row * a.columns, to, place, step);
  }
  if (a.labels != nullptr) {
    storeLabel(to, a.columns, a.xStride, a.labels[row]);
    storeLabel(static_cast<T*>(a.z) + static_cast<int64_t>(place) * a.zStride, a.latent, a.zStride,
               a.labels[row]);
  }
}

// A number of the batch's noise, if it has as many.
template <class T>
__device__ inline void loadNoise(const LoadArguments& a, int64_t index) {
  if (index >= static_cast<int64_t>(a.rows) * a.latent) return;
  static_cast<Compute<T>*>(a.noise)[index] =
      normal(static_cast<int64_t>(a.place) * a.latent + index, stepOf(a), a.stream, a.seed);
}

// Grid: a block of kRowLoaders threads for each row, then one for every kNoisePerBlock numbers of the noise.
template <class T>
__device__ inline void loadBatch(const LoadArguments& a) {
  awaitPrevious();
  admitNext();
  const int block = blockIdx.x;
  if (block < a.rows) return loadRow<T>(a, block);
  loadNoise<T>(a, static_cast<int64_t>(block - a.rows) * kNoisePerBlock + threadIdx.x);
}

}  // namespace torchvae::kernels
