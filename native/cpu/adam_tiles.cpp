#include "cpu/adam_tiles.h"

#include <algorithm>

#include "cpu/adam_sixteen.h"
#include "cpu/panels.h"

// One after the other, the product waits for the multipliers and the update for memory: weights and moments
// are larger than the second-level cache. So while a tile is multiplied, the one before it is updated, a
// register of sixteen weights after every few rows of the batch, and the lines that its own update will need
// are asked for.
namespace torchvae::cpu {
namespace {

// Of a tile: its sums, a factor and a line take 18 of the 32 registers, which leaves an update's its own.
// Lower tiles than the registers allow, for the sake of memory that is read from one end to the other.
constexpr int kRows = 16;

// A tile whose gradient waits for its update.
struct Waiting {
  alignas(64) float gradient[kRows][kPanelColumns];
  int64_t at = 0;  // of its first weight
  int count = 0;   // of rows
};

struct Panel : AdamPanels {
  const OptimizerCoefficients& c;
};

TORCHVAE_AVX512 TORCHVAE_INLINE void updateOne(const Panel& p, const Waiting& tile, int row) {
  const int64_t at = tile.at + row * kPanelColumns;
  adamSixteen<Quotient::kExact>(p.c, 0xffff, _mm512_load_ps(tile.gradient[row]), p.first + at, p.second + at,
                                p.w + at);
}

// The gradient of the tile in rows m0 and on of a panel into `made`, and the update of `before`.
template <int rows>
TORCHVAE_AVX512 void multiplyTile(const Panel& p, int64_t panel, int64_t m0, const Waiting& before,
                                  Waiting& made) {
  const int64_t at = (panel * p.in + m0) * kPanelColumns;
  __m512 sum[rows];
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) sum[i] = _mm512_setzero_ps();

  const float* x = p.x + m0;
  const float* dy = p.dy + panel * kPanelColumns;
  int64_t k = 0;
  for (int part = 0; part < kRows; ++part) {
    for (const int64_t end = p.rows * (part + 1) / kRows; k < end; ++k, x += p.in, dy += p.out) {
      const __m512 line = _mm512_loadu_ps(dy);
#pragma GCC unroll 16
      for (int i = 0; i < rows; ++i) sum[i] = _mm512_fmadd_ps(_mm512_set1_ps(x[i]), line, sum[i]);
    }
    if (part < rows) {
      const int64_t own = at + part * kPanelColumns;
      ask(p.first + own);
      ask(p.second + own);
      ask(p.w + own);
    }
    if (part < before.count) updateOne(p, before, part);
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) _mm512_store_ps(made.gradient[i], sum[i]);
  made.at = at;
  made.count = rows;
}

TORCHVAE_AVX512 void updateTile(const Panel& p, const Waiting& tile) {
  for (int i = 0; i < tile.count; ++i) updateOne(p, tile, i);
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

}  // namespace

bool weavesAdam(const OptimizerCoefficients& c) {
  return (c.kind == OptimizerKind::kAdam || c.kind == OptimizerKind::kAdamW) && !c.changesGradient();
}

void updatePanels(const OptimizerCoefficients& coefficients, const AdamPanels& panels) {
  const Panel p{panels, coefficients};
  const WithoutSubnormals mode;
  Waiting tiles[2];
  Waiting* made = &tiles[0];
  Waiting* before = &tiles[1];
  for (int64_t panel = 0; panel < p.panels; ++panel) {
    for (int64_t m0 = 0; m0 < p.in;) {
      const int64_t left = p.in - m0;
      if (left >= kRows) {
        multiplyTile<kRows>(p, panel, m0, *before, *made);
        m0 += kRows;
      } else if (left >= 4) {
        multiplyTile<4>(p, panel, m0, *before, *made);
        m0 += 4;
      } else {
        multiplyTile<1>(p, panel, m0, *before, *made);
        m0 += 1;
      }
      std::swap(made, before);
    }
  }
  updateTile(p, *before);
}

}  // namespace torchvae::cpu
