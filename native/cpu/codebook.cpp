#include "cpu/codebook.h"

#include <algorithm>
#include <vector>

#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

constexpr int64_t kTileRows = 64;

// distance[k] = squares[k] + sum over d of factor_d column_d[k], for a block of entries that registers hold.
TORCHVAE_INLINE void distances(const Codebook& b, const float* columns, const float* squares,
                               const float* vector, float* distance) {
  constexpr int64_t kBlock = 64;
  using Sixteen = float __attribute__((vector_size(64), aligned(4), may_alias));
  const auto at = [](const float* values) { return reinterpret_cast<const Sixteen*>(values); };
  const int64_t whole = b.codes / kBlock * kBlock;
  for (int64_t k = 0; k < whole; k += kBlock) {
    Sixteen s0 = at(squares + k)[0], s1 = at(squares + k)[1], s2 = at(squares + k)[2],
            s3 = at(squares + k)[3];
    for (int64_t d = 0; d < b.size; ++d) {
      const float factor = -2 * vector[d];
      const Sixteen* column = at(columns + d * b.codes + k);
      s0 += factor * column[0];
      s1 += factor * column[1];
      s2 += factor * column[2];
      s3 += factor * column[3];
    }
    auto* to = reinterpret_cast<Sixteen*>(distance + k);
    to[0] = s0;
    to[1] = s1;
    to[2] = s2;
    to[3] = s3;
  }
  std::copy(squares + whole, squares + b.codes, distance + whole);
  for (int64_t d = 0; d < b.size; ++d) {
    const float factor = -2 * vector[d];
    const float* column = columns + d * b.codes;
    for (int64_t k = whole; k < b.codes; ++k) distance[k] += factor * column[k];
  }
}

// The first of the entries at the least distance |e_k|^2 - 2 v e_k; `columns` are the entries transposed.
TORCHVAE_VECTORIZED int64_t nearestOf(const Codebook& b, const float* columns, const float* squares,
                                      const float* vector, float* distance) {
  distances(b, columns, squares, vector, distance);
  float lanes[16];
  std::fill_n(lanes, 16, distance[0]);
  const int64_t whole = b.codes / 16 * 16;
  for (int64_t k = 0; k < whole; k += 16) {
    for (int64_t j = 0; j < 16; ++j) lanes[j] = distance[k + j] < lanes[j] ? distance[k + j] : lanes[j];
  }
  for (int64_t k = whole; k < b.codes; ++k) lanes[0] = std::min(lanes[0], distance[k]);
  const float least = *std::min_element(lanes, lanes + 16);
  const int64_t found = std::find(distance, distance + b.codes, least) - distance;
  return found < b.codes ? found : 0;  // of distances that are not numbers
}

// Calls body(example), on several threads.
template <class Body>
void forExamples(Pool& pool, int64_t examples, const Body& body) {
  constexpr int64_t kExamples = 16;
  pool.run((examples + kExamples - 1) / kExamples, [&](int64_t tile) {
    const int64_t last = std::min(examples, (tile + 1) * kExamples);
    for (int64_t example = tile * kExamples; example < last; ++example) body(example);
  });
}

// One example's vectors.
TORCHVAE_VECTORIZED float replace(const Codebook& b, const int64_t* nearest, int64_t first, int64_t count,
                                  const Quantized& to) {
  float sum = 0;
  for (int64_t i = first; i < first + count; ++i) {
    const float *vector = b.vectors + i * b.size, *entry = b.entries + nearest[i] * b.size;
    for (int64_t d = 0; d < b.size; ++d) {
      const float difference = vector[d] - entry[d];
      to.z[i * b.size + d] = entry[d];
      to.difference[i * b.size + d] = difference;
    }
    for (int64_t d = 0; d < b.size; ++d) sum += to.difference[i * b.size + d] * to.difference[i * b.size + d];
  }
  return sum;
}

TORCHVAE_VECTORIZED void addScaled(const float* from, float factor, const float* to, int64_t count,
                                   float* sum) {
  for (int64_t i = 0; i < count; ++i) sum[i] = to[i] + factor * from[i];
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
      nearest[i] = nearestOf(b, columns.data(), squares.data(), b.vectors + i * b.size, distance.data());
    }
  });
}

void quantize(Pool& pool, const Codebook& b, const int64_t* nearest, int64_t positions, const Quantized& to) {
  forExamples(pool, b.count / positions, [&](int64_t example) {
    to.distance[example] = replace(b, nearest, example * positions, positions, to);
  });
}

void quantizeBackward(Pool& pool, int64_t examples, int64_t exampleSize, const float* difference,
                      const float* dz, const float* dDistance, float* dVectors) {
  forExamples(pool, examples, [&](int64_t example) {
    const int64_t at = example * exampleSize;
    addScaled(difference + at, 2 * dDistance[example], dz + at, exampleSize, dVectors + at);
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

void followEntries(const Codebook& b, const float* newCounts, const float* newSums, double decay,
                   double epsilon, const MovingEntries& moving) {
  const auto kept = static_cast<float>(decay), taken = static_cast<float>(1 - decay);
  double total = 0;
  for (int64_t k = 0; k < b.codes; ++k) {
    float* counts = moving.counts + k;
    *counts = *counts * kept + newCounts[k] * taken;
    total += *counts;
  }
  for (int64_t k = 0; k < b.codes; ++k) {
    float *sums = moving.sums + k * b.size, *entry = moving.entries + k * b.size;
    if (std::all_of(sums, sums + b.size, [](float sum) { return sum == 0; }))
      std::copy_n(entry, b.size, sums);
    const auto smoothed = static_cast<float>((moving.counts[k] + epsilon) /
                                             (total + epsilon * static_cast<double>(b.codes)) * total);
    for (int64_t d = 0; d < b.size; ++d) {
      sums[d] = sums[d] * kept + newSums[k * b.size + d] * taken;
      entry[d] = sums[d] / smoothed;
    }
  }
}

}  // namespace torchvae::cpu
