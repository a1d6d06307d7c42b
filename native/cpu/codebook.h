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

// counts [codes] and sums [codes, size] of the vectors whose nearest entry is each.
void sumByEntry(const Codebook& book, const int64_t* nearest, float* counts, float* sums);

}  // namespace torchvae::cpu
