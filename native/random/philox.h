// The counter-based generator Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2,
// 3").
//
// A draw is a pure function of (seed, stream, step, index): nothing needs to be carried from one step to the
// next, a run resumes exactly from its step number alone, and a CPU and a GPU draw the same numbers.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cpu/vector.h"

namespace torchvae {

// What the numbers are for; draws of different streams are independent.
enum class Stream : uint32_t { kWeights = 1, kNoise = 2, kOrder = 3, kPrior = 4, kBinary = 5 };

struct PhiloxKey {
  uint32_t low;
  uint32_t high;
};

TORCHVAE_INLINE std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, PhiloxKey key) {
  uint32_t a = counter[0], b = counter[1], c = counter[2], d = counter[3];
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const uint64_t first = uint64_t{0xD2511F53u} * a;
    const uint64_t second = uint64_t{0xCD9E8D57u} * c;
    const uint32_t keyLow = key.low + static_cast<uint32_t>(round) * 0x9E3779B9u;
    const uint32_t keyHigh = key.high + static_cast<uint32_t>(round) * 0xBB67AE85u;
    a = static_cast<uint32_t>(second >> 32) ^ b ^ keyLow;
    b = static_cast<uint32_t>(second);
    c = static_cast<uint32_t>(first >> 32) ^ d ^ keyHigh;
    d = static_cast<uint32_t>(first);
  }
  return {a, b, c, d};
}

// Where a sequence of draws stands.
struct Draw {
  uint64_t seed = 0;
  Stream stream = Stream::kNoise;
  uint64_t step = 0;
};

// out[i] ~ N(0, 1), by Box and Muller from pairs of 32-bit numbers.
void fillNormal(const Draw& draw, float* out, int64_t count);
// The draws of fillNormal with indices first, ..., first + count - 1.
void fillNormal(const Draw& draw, int64_t first, float* out, int64_t count);
// out[i] ~ U[0, 1), multiples of 2^-24.
void fillUniform(const Draw& draw, float* out, int64_t count);
// The draws of fillUniform with indices first, ..., first + count - 1.
void fillUniform(const Draw& draw, int64_t first, float* out, int64_t count);
// Of a number of fillUniform: away from 0 and 1, so that logarithms are finite.
inline float awayFromEnds(float uniform) {
  return uniform * (1 - 0x1p-24f) + 0x1p-25f;
}
// Number `index` of integers that are uniform in 0, ..., bound - 1, but for a bias below bound / 2^64.
int64_t drawBelow(const Draw& draw, int64_t index, int64_t bound);
// A uniform permutation of 0, ..., count - 1.
std::vector<int64_t> permutation(const Draw& draw, int64_t count);

}  // namespace torchvae
