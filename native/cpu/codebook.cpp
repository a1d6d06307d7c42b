#include "cpu/codebook.h"

#include <algorithm>
#include <vector>

#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

constexpr int64_t kTileRows = 64;

// distance[k] = |e_k|^2 - 2 v e_k; `columns` are the entries transposed.
TORCHVAE_VECTORIZED void distances(const Codebook& b, const float* columns, const float* squares,
                                   const float* vector, float* distance) {
  std::copy_n(squares, b.codes, distance);
  for (int64_t d = 0; d < b.size; ++d) {
    const float factor = -2 * vector[d];
    const float* column = columns + d * b.codes;
    for (int64_t k = 0; k < b.codes; ++k) distance[k] += factor * column[k];
  }
}

}  // namespace

void nearestEntries(Pool& pool, const Codebook& b, int64_t* nearest) {
  std::vector<float> columns(static_cast<size_t>(b.size * b.codes)), squares(static_cast<size_t>(b.codes));
  for (int64_t k = 0; k < b.codes; ++k) {
    for (int64_t d = 0; d < b.size; ++d) {
      const float value = b.entries[k * b.size + d];
      columns[static_cast<size_t>(d * b.codes + k)] = value;
      squares[static_cast<size_t>(k)] += value * value;
    }
  }
  pool.run((b.count + kTileRows - 1) / kTileRows, [&](int64_t tile) {
    thread_local std::vector<float> distance;
    distance.resize(static_cast<size_t>(b.codes));
    const int64_t last = std::min(b.count, (tile + 1) * kTileRows);
    for (int64_t i = tile * kTileRows; i < last; ++i) {
      distances(b, columns.data(), squares.data(), b.vectors + i * b.size, distance.data());
      nearest[i] = std::ranges::min_element(distance) - distance.begin();
    }
  });
}

void sumByEntry(const Codebook& b, const int64_t* nearest, float* counts, float* sums) {
  std::fill_n(counts, b.codes, 0.0f);
  std::fill_n(sums, b.codes * b.size, 0.0f);
  for (int64_t i = 0; i < b.count; ++i) {
    counts[nearest[i]] += 1;
    float* to = sums + nearest[i] * b.size;
    for (int64_t d = 0; d < b.size; ++d) to[d] += b.vectors[i * b.size + d];
  }
}

}  // namespace torchvae::cpu
