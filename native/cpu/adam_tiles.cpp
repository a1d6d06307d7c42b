#include "cpu/adam_tiles.h"

#include <algorithm>

#include "cpu/adam_sixteen.h"

// One after the other, the product waits for the multipliers and the update for memory: weights and moments
// are larger than the second-level cache. So while a tile is multiplied, the one before it is updated, a
// register of sixteen weights after every few rows of the batch, and the lines that its own update will need
// are asked for.
namespace torchvae::cpu {
namespace {

// A tile is at most 8 x 48: its sums and one row of dy take 27 of the 32 registers.
constexpr int kRows = 8;
constexpr int kVectors = 3;
constexpr int kWidth = 16;
constexpr int kColumns = kVectors * kWidth;

// Of a batch. Where there are fewer, a tile's product is too short to hide an update behind. More were not
// measured: 48 columns of dy are then far larger than the first-level cache.
constexpr int64_t kFewestRows = 64;
constexpr int64_t kMostRows = 256;

// A tile whose gradient waits for its update.
struct Waiting {
  alignas(64) float gradient[kRows * kVectors][kWidth];
  int64_t at = 0;      // of its first weight
  int count = 0;       // of registers
  int vectors = 1;     // of a row
  __mmask16 last = 0;  // the weights of a row's last register
};

struct Strip : AdamStrip {
  const OptimiserCoefficients& c;
};

TORCHVAE_AVX512 TORCHVAE_INLINE void updateOne(const Strip& s, const Waiting& tile, int index) {
  const int row = index / tile.vectors;
  const int vector = index % tile.vectors;
  const int64_t at = tile.at + row * s.out + vector * kWidth;
  const __mmask16 lanes = vector == tile.vectors - 1 ? tile.last : 0xffff;
  adamSixteen<Quotient::kExact>(s.c, lanes, _mm512_load_ps(tile.gradient[index]), s.first + at, s.second + at,
                                s.w + at);
}

TORCHVAE_INLINE void ask(const float* line) {
  _mm_prefetch(reinterpret_cast<const char*>(line), _MM_HINT_T0);
}

// The gradient of the tile at (m0, n0) into `made`, and the update of `before`.
template <int rows, int vectors>
TORCHVAE_AVX512 void multiplyTile(const Strip& s, int64_t m0, int64_t n0, const Waiting& before,
                                  Waiting& made) {
  constexpr int kCount = rows * vectors;
  const int64_t rest = s.n1 - n0 - (vectors - 1) * kWidth;
  const auto last = static_cast<__mmask16>(rest >= kWidth ? 0xffff : (1u << rest) - 1);
  const int64_t at = m0 * s.out + n0;
  __m512 sum[kCount];
#pragma GCC unroll 24
  for (int i = 0; i < kCount; ++i) sum[i] = _mm512_setzero_ps();

  const float* x = s.x + m0;
  const float* dy = s.dy + n0;
  int64_t k = 0;
  const int parts = std::max(kCount, before.count);
  for (int part = 0; part < parts; ++part) {
    for (const int64_t end = s.rows * (part + 1) / parts; k < end; ++k, x += s.in, dy += s.out) {
      __m512 b[vectors];
#pragma GCC unroll 3
      for (int j = 0; j < vectors; ++j) {
        b[j] =
            j < vectors - 1 ? _mm512_loadu_ps(dy + j * kWidth) : _mm512_maskz_loadu_ps(last, dy + j * kWidth);
      }
#pragma GCC unroll 8
      for (int i = 0; i < rows; ++i) {
        const __m512 a = _mm512_set1_ps(x[i]);
#pragma GCC unroll 3
        for (int j = 0; j < vectors; ++j)
          sum[i * vectors + j] = _mm512_fmadd_ps(a, b[j], sum[i * vectors + j]);
      }
    }
    if (part < kCount) {
      const int64_t own = at + part / vectors * s.out + part % vectors * kWidth;
      ask(s.first + own);
      ask(s.second + own);
      ask(s.w + own);
    }
    if (part < before.count) updateOne(s, before, part);
  }
#pragma GCC unroll 24
  for (int i = 0; i < kCount; ++i) _mm512_store_ps(made.gradient[i], sum[i]);
  made.at = at;
  made.count = kCount;
  made.vectors = vectors;
  made.last = last;
}

template <int rows>
void multiplyTile(const Strip& s, int64_t m0, int64_t n0, const Waiting& before, Waiting& made) {
  const int64_t left = s.n1 - n0;
  if (left > 2 * kWidth) {
    multiplyTile<rows, 3>(s, m0, n0, before, made);
  } else if (left > kWidth) {
    multiplyTile<rows, 2>(s, m0, n0, before, made);
  } else {
    multiplyTile<rows, 1>(s, m0, n0, before, made);
  }
}

TORCHVAE_AVX512 void updateTile(const Strip& s, const Waiting& tile) {
  for (int i = 0; i < tile.count; ++i) updateOne(s, tile, i);
}

// While one lives, numbers below the normal ones are zeros. The moment of an input that is no longer seen
// decays to such, on which the divider takes many times as long; what they would add to a weight is far below
// its last digit.
class WithoutSubnormals {
 public:
  WithoutSubnormals() { _mm_setcsr(modes_ | _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON); }
  ~WithoutSubnormals() { _mm_setcsr(modes_); }
  WithoutSubnormals(const WithoutSubnormals&) = delete;
  WithoutSubnormals& operator=(const WithoutSubnormals&) = delete;

 private:
  const unsigned int modes_ = _mm_getcsr();
};

const bool kHasAvx512 = __builtin_cpu_supports("avx512f") != 0;

}  // namespace

bool hasAdamStrips(const OptimiserCoefficients& c, int64_t rows) {
  const bool adam = c.kind == OptimiserKind::kAdam || c.kind == OptimiserKind::kAdamW;
  return adam && !c.changesGradient() && kHasAvx512 && rows >= kFewestRows && rows <= kMostRows;
}

void updateStrip(const OptimiserCoefficients& coefficients, const AdamStrip& strip) {
  const Strip s{strip, coefficients};
  const WithoutSubnormals mode;
  Waiting tiles[2];
  Waiting* made = &tiles[0];
  Waiting* before = &tiles[1];
  // Down the columns, so that all tiles of a column find its part of dy in the first-level cache.
  for (int64_t n0 = s.n0; n0 < s.n1; n0 += kColumns) {
    for (int64_t m0 = s.m0; m0 < s.m1;) {
      const int64_t left = s.m1 - m0;
      if (left >= kRows) {
        multiplyTile<kRows>(s, m0, n0, *before, *made);
        m0 += kRows;
      } else if (left >= 4) {
        multiplyTile<4>(s, m0, n0, *before, *made);
        m0 += 4;
      } else {
        multiplyTile<1>(s, m0, n0, *before, *made);
        m0 += 1;
      }
      std::swap(made, before);
    }
  }
  updateTile(s, *before);
}

}  // namespace torchvae::cpu
