// The engine's Philox4x32-10 (native/random/philox.h) on the device: the same numbers from the same (seed,
// stream, step, index), so that a captured graph draws new noise in every replay, and what the CPU would
// draw.
#pragma once

#include "numbers.cuh"

namespace torchvae::kernels {

struct Words {
  uint32_t word[4];
};

__device__ inline Words philox(uint64_t counter, uint32_t step, uint32_t tag, uint64_t seed) {
  uint32_t a = static_cast<uint32_t>(counter), b = static_cast<uint32_t>(counter >> 32), c = step, d = tag;
  uint32_t keyLow = static_cast<uint32_t>(seed), keyHigh = static_cast<uint32_t>(seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint64_t first = uint64_t{0xD2511F53u} * a;
    const uint64_t second = uint64_t{0xCD9E8D57u} * c;
    a = static_cast<uint32_t>(second >> 32) ^ b ^ keyLow;
    b = static_cast<uint32_t>(second);
    c = static_cast<uint32_t>(first >> 32) ^ d ^ keyHigh;
    d = static_cast<uint32_t>(first);
    keyLow += 0x9E3779B9u;
    keyHigh += 0xBB67AE85u;
  }
  return {{a, b, c, d}};
}

constexpr float kUnit = 1.0f / 16777216.0f;

__device__ inline Words wordsOf(int64_t index, uint64_t step, uint32_t stream, uint64_t seed) {
  const uint32_t tag = stream ^ static_cast<uint32_t>(step >> 32) << 8;
  return philox(static_cast<uint64_t>(index) / 4, static_cast<uint32_t>(step), tag, seed);
}

// Number `index` of a draw from U[0, 1).
__device__ inline float uniform(int64_t index, uint64_t step, uint32_t stream, uint64_t seed) {
  const Words words = wordsOf(index, step, stream, seed);
  return static_cast<float>(words.word[index & 3] >> 8) * kUnit;
}

// Number `index` of the draw: Box and Muller from the pair of words that it comes of.
__device__ inline float normal(int64_t index, uint64_t step, uint32_t stream, uint64_t seed) {
  const Words words = wordsOf(index, step, stream, seed);
  const bool second = (index & 2) != 0;
  const uint32_t u = second ? words.word[2] : words.word[0];
  const uint32_t v = second ? words.word[3] : words.word[1];
  const float radius = sqrtf(-2.0f * logf((static_cast<float>(u >> 8) + 0.5f) * kUnit));
  const float turns = static_cast<float>(v >> 8) * (2.0f * kUnit);
  return radius * ((index & 1) != 0 ? sinpif(turns) : cospif(turns));
}

}  // namespace torchvae::kernels
