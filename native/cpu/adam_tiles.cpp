#include "cpu/adam_tiles.h"

#include <algorithm>
#include <cstring>

#include "cpu/panels.h"
#include "cpu/scratch.h"
#include "cpu/sixteen.h"

// One after the other, the product waits for the multipliers and the update for memory: weights and moments
// are larger than the second-level cache. So while a tile is multiplied, the one before it is updated, and
// the lines that its own update will need are asked for.
namespace torchvae::cpu {
namespace {

struct Panel : AdamPanels {
  const OptimizerCoefficients& c;
  int64_t dyStep, dyApart;  // from one row of dy to the next, and from one panel's columns to the next one's
};

enum class Scratch : uint8_t { kGradient, kUses };

// The columns of each panel below each other, with zeros for those that are missing to the last: in rows of a
// whole layer each would lie in another page.
float* columnsBelow(const AdamPanels& p) {
  float* to = scratch(Scratch::kGradient, panelCount(p.columns) * p.rows * kPanelColumns);
  float* at = to;
  for (int64_t column = 0; column < p.columns; column += kPanelColumns) {
    const int64_t count = std::min(kPanelColumns, p.columns - column);
    const float* from = p.dy + column;
    for (int64_t i = 0; i < p.rows; ++i, from += p.out, at += kPanelColumns) {
      if (count == kPanelColumns) {
        std::memcpy(at, from, kPanelColumns * sizeof(float));  // in registers
      } else {
        std::fill(std::copy_n(from, count, at), at + kPanelColumns, 0.0f);
      }
    }
  }
  return to;
}

namespace avx512 {
using namespace torchvae::avx512;
#define TORCHVAE_SET TORCHVAE_AVX512
#include "cpu/adam_rows.h"
#undef TORCHVAE_SET
}  // namespace avx512

namespace avx2 {
using namespace torchvae::avx2;
#define TORCHVAE_SET TORCHVAE_AVX2
#include "cpu/adam_rows.h"
#undef TORCHVAE_SET
}  // namespace avx2

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

bool takesTiles() {
  return !hasAvx512();
}

void updatePanels(const OptimizerCoefficients& coefficients, const AdamPanels& panels) {
  const WithoutSubnormals mode;
  Panel p{panels, coefficients, panels.out, kPanelColumns};
  if (!hasAvx512() || panels.columns % kPanelColumns != 0) {
    p.dy = columnsBelow(panels);
    p.dyStep = kPanelColumns;
    p.dyApart = panels.rows * kPanelColumns;
  }
  hasAvx512() ? avx512::updateAll(p) : avx2::updateAll(p);
}

}  // namespace torchvae::cpu
