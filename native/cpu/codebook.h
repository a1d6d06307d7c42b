// Vectors and the nearest entries of a codebook.
#pragma once

#include <cstdint>

#include "cpu/pool.h"

namespace torchvae::cpu {

// Row-major: vectors [count, size], entries [codes, size].
struct Codebook {
  int64_t count, codes, size;
  const float* vectors;
  const float* entries;
};

// nearest [count]: of each vector the entry at the least distance, the first of equals.
void nearestEntries(Pool& pool, const Codebook& book, int64_t* nearest);

// A forward pass of vectors that are replaced by their nearest entries.
struct Quantized {
  float* z;           // [count, size]: the entries
  float* difference;  // [count, size]: vector - entry
  float* distance;    // [count / positions]: of an example's vectors, the sum of squared differences
};
void quantize(Pool& pool, const Codebook& book, const int64_t* nearest, int64_t positions,
              const Quantized& to);

// The gradient in the vectors, [count, size]: that in z, straight through, and that in the distance.
void quantizeBackward(Pool& pool, int64_t examples, int64_t exampleSize, const float* difference,
                      const float* dz, const float* dDistance, float* dVectors);

// counts [codes] and sums [codes, size] of the vectors whose nearest entry is each.
void sumByEntry(const Codebook& book, const int64_t* nearest, float* counts, float* sums);

// A codebook's moving averages and itself, which follow a batch's counts and sums.
struct MovingEntries {
  float *counts, *sums, *entries;
};
// Sums that are all zero begin as the entries, at a count of one each. Counts are smoothed by `epsilon`.
void followEntries(const Codebook& book, const float* newCounts, const float* newSums, double decay,
                   double epsilon, const MovingEntries& moving);

}  // namespace torchvae::cpu
