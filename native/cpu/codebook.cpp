#include "cpu/codebook.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <vector>

#include "cpu/scratch.h"
#include "cpu/sixteen.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

constexpr int64_t kTileRows = 64;

enum class Scratch : uint8_t { kDistance, kUses };

// A codebook's entries transposed, filled up to whole sixteens with ones that are infinitely far away.
struct Columns {
  int64_t entries, size, stride;
  const float* values;   // [size, stride]
  const float* squares;  // [stride]: |e|^2
};

namespace avx512 {
using namespace torchvae::avx512;
#define TORCHVAE_SET TORCHVAE_AVX512
#include "cpu/codebook_rows.h"
#undef TORCHVAE_SET
}  // namespace avx512

namespace avx2 {
using namespace torchvae::avx2;
#define TORCHVAE_SET TORCHVAE_AVX2
#include "cpu/codebook_rows.h"
#undef TORCHVAE_SET
}  // namespace avx2

namespace plain {
int64_t nearestOf(const Columns& c, const float* vector, float* distance) {
  std::copy_n(c.squares, c.entries, distance);
  for (int64_t d = 0; d < c.size; ++d) {
    const float factor = -2 * vector[d];
    for (int64_t k = 0; k < c.entries; ++k) distance[k] += factor * c.values[d * c.stride + k];
  }
  return std::min_element(distance, distance + c.entries) - distance;
}
}  // namespace plain

using NearestOf = int64_t (*)(const Columns&, const float*, float*);

NearestOf nearestOf() {
  if (hasAvx512()) return avx512::nearestOf;
  return hasAvx2() ? avx2::nearestOf : plain::nearestOf;
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
  const int64_t stride = (b.codes + 15) / 16 * 16;
  std::vector<float> columns(static_cast<size_t>(b.size * stride)), squares(static_cast<size_t>(stride));
  std::fill(squares.begin() + b.codes, squares.end(), std::numeric_limits<float>::infinity());
  for (int64_t k = 0; k < b.codes; ++k) {
    for (int64_t d = 0; d < b.size; ++d) {
      const float value = b.entries[k * b.size + d];
      columns[static_cast<size_t>(d * stride + k)] = value;
      squares[static_cast<size_t>(k)] += value * value;
    }
  }
  const Columns entries{b.codes, b.size, stride, columns.data(), squares.data()};
  const NearestOf find = nearestOf();
  pool.run((b.count + kTileRows - 1) / kTileRows, [&](int64_t tile) {
    float* distance = scratch(Scratch::kDistance, stride);
    const int64_t last = std::min(b.count, (tile + 1) * kTileRows);
    for (int64_t i = tile * kTileRows; i < last; ++i) {
      nearest[i] = find(entries, b.vectors + i * b.size, distance);
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
