#include "random/philox.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace torchvae {
namespace {

// Blocks of four numbers are made this many at a time, so that the loops below vectorize across blocks.
constexpr int64_t kLanes = 64;

struct Block {
  uint32_t word[4][kLanes];
};

TORCHVAE_INLINE void fillBlock(const Draw& draw, uint64_t firstCounter, Block& block) {
  const PhiloxKey key{static_cast<uint32_t>(draw.seed), static_cast<uint32_t>(draw.seed >> 32)};
  const uint32_t step = static_cast<uint32_t>(draw.step);
  const uint32_t tag = static_cast<uint32_t>(draw.stream) ^ static_cast<uint32_t>(draw.step >> 32) << 8;
  const uint32_t high = static_cast<uint32_t>(firstCounter >> 32);
  const uint32_t low = static_cast<uint32_t>(firstCounter);
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    const uint32_t index = low + static_cast<uint32_t>(lane);
    const auto words = philox({index, high + (index < low ? 1u : 0u), step, tag}, key);
    for (int w = 0; w < 4; ++w) block.word[w][lane] = words[w];
  }
}

// (0, 1): the midpoints of 2^24 equal intervals, so that the logarithm is finite.
TORCHVAE_INLINE float openUniform(uint32_t word) {
  return (static_cast<float>(word >> 8) + 0.5f) * 0x1p-24f;
}

// sin and cos of 2 pi u for u in [0, 1): folded to a quarter turn around zero, Taylor polynomials there.
TORCHVAE_INLINE void sincosTurn(float u, float& sine, float& cosine) {
  const float quarter = static_cast<float>(static_cast<int32_t>(u * 4.0f + 0.5f));
  const int32_t quadrant = static_cast<int32_t>(quarter);
  const float t = (u - quarter * 0.25f) * 6.283185307179586f;
  const float s = t * t;
  const float sinT = t + t * s * (-1.6666654611e-1f + s * (8.3321608736e-3f - s * 1.9515295891e-4f));
  const float cosT =
      1.0f - 0.5f * s +
      s * s * (4.166664568298827e-2f + s * (-1.388731625493765e-3f + s * 2.443315711809948e-5f));
  const bool swap = (quadrant & 1) != 0;
  const float a = swap ? cosT : sinT;
  const float b = swap ? sinT : cosT;
  sine = (quadrant & 2) != 0 ? -a : a;
  cosine = ((quadrant + 1) & 2) != 0 ? -b : b;
}

// Writes 4 * kLanes normals; number 4 i + w comes from word w of block i.
TORCHVAE_VECTORIZED void normalBlock(const Draw& draw, uint64_t firstCounter, float* out) {
  Block block;
  fillBlock(draw, firstCounter, block);
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    for (int pair = 0; pair < 2; ++pair) {
      const float radius = std::sqrt(-2.0f * vec::log(openUniform(block.word[2 * pair][lane])));
      float sine, cosine;
      sincosTurn(static_cast<float>(block.word[2 * pair + 1][lane] >> 8) * 0x1p-24f, sine, cosine);
      out[4 * lane + 2 * pair] = radius * cosine;
      out[4 * lane + 2 * pair + 1] = radius * sine;
    }
  }
}

TORCHVAE_VECTORIZED void uniformBlock(const Draw& draw, uint64_t firstCounter, float* out) {
  Block block;
  fillBlock(draw, firstCounter, block);
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    for (int w = 0; w < 4; ++w) out[4 * lane + w] = static_cast<float>(block.word[w][lane] >> 8) * 0x1p-24f;
  }
}

template <class MakeBlock>
void fill(MakeBlock makeBlock, int64_t first, float* out, int64_t count) {
  float scratch[4 * kLanes];
  int64_t done = 0;
  if (const int64_t skipped = first % 4; skipped != 0) {
    makeBlock(static_cast<uint64_t>(first) / 4, scratch);
    done = std::min<int64_t>(count, 4 * kLanes - skipped);
    std::copy_n(scratch + skipped, done, out);
  }
  for (; done < count; done += 4 * kLanes) {
    const uint64_t counter = static_cast<uint64_t>(first + done) / 4;
    const int64_t left = std::min<int64_t>(count - done, 4 * kLanes);
    if (left == 4 * kLanes) {
      makeBlock(counter, out + done);
    } else {
      makeBlock(counter, scratch);
      std::copy_n(scratch, left, out + done);
    }
  }
}

}  // namespace

void fillNormal(const Draw& draw, int64_t first, float* out, int64_t count) {
  fill([&](uint64_t counter, float* to) { normalBlock(draw, counter, to); }, first, out, count);
}

void fillNormal(const Draw& draw, float* out, int64_t count) {
  fillNormal(draw, 0, out, count);
}

void fillUniform(const Draw& draw, int64_t first, float* out, int64_t count) {
  fill([&](uint64_t counter, float* to) { uniformBlock(draw, counter, to); }, first, out, count);
}

void fillUniform(const Draw& draw, float* out, int64_t count) {
  fillUniform(draw, 0, out, count);
}

int64_t drawBelow(const Draw& draw, int64_t index, int64_t bound) {
  const PhiloxKey key{static_cast<uint32_t>(draw.seed), static_cast<uint32_t>(draw.seed >> 32)};
  const uint32_t step = static_cast<uint32_t>(draw.step);
  const uint32_t tag = static_cast<uint32_t>(draw.stream) ^ static_cast<uint32_t>(draw.step >> 32) << 8;
  const auto place = static_cast<uint64_t>(index);
  const auto words =
      philox({static_cast<uint32_t>(place), static_cast<uint32_t>(place >> 32), step, tag}, key);
  const uint64_t random = uint64_t{words[0]} << 32 | words[1];
  return static_cast<int64_t>((static_cast<unsigned __int128>(random) * static_cast<uint64_t>(bound)) >> 64);
}

std::vector<int64_t> permutation(const Draw& draw, int64_t count) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  // Fisher and Yates.
  for (int64_t i = count - 1; i > 0; --i) {
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(drawBelow(draw, i, i + 1))]);
  }
  return order;
}

}  // namespace torchvae
