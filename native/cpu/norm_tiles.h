// The tiles in which normalizations take their values, [rows, channels]: their size depends on the shape
// alone, so that sums over the rows have one order on any number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cpu/pool.h"

namespace torchvae::cpu {

struct NormShape {
  int64_t rows, channels;
};

// A tile is read twice while it lies in the first-level cache.
inline int64_t normTileRows(const NormShape& shape) {
  constexpr int64_t kTileValues = 4096, kMostRows = 256;
  return std::clamp<int64_t>(kTileValues / shape.channels, 1, kMostRows);
}

inline int64_t normTileCount(const NormShape& shape) {
  return (shape.rows + normTileRows(shape) - 1) / normTileRows(shape);
}

// body(tile, first row, rows)
template <class Body>
void forNormTiles(Pool& pool, const NormShape& shape, const Body& body) {
  const int64_t step = normTileRows(shape);
  pool.run(normTileCount(shape),
           [&](int64_t tile) { body(tile, tile * step, std::min(step, shape.rows - tile * step)); });
}

// to[c] = the sum over `tiles` of from[tile * stride + c].
inline void addNormTiles(const float* from, int64_t tiles, int64_t stride, int64_t channels, float* to) {
  std::vector<double> sums(static_cast<size_t>(channels));
  for (int64_t tile = 0; tile < tiles; ++tile) {
    for (int64_t c = 0; c < channels; ++c) sums[static_cast<size_t>(c)] += from[tile * stride + c];
  }
  for (int64_t c = 0; c < channels; ++c) to[c] = static_cast<float>(sums[static_cast<size_t>(c)]);
}

struct NormGradients {
  float* x;              // [rows, channels], or null where it is not wanted
  float *weight, *bias;  // [channels]
};

}  // namespace torchvae::cpu
