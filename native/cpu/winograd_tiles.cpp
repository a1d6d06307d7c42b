#include "cpu/winograd_tiles.h"

#include <algorithm>

#include "cpu/sixteen.h"

namespace torchvae::cpu {
namespace {

// A matrix of `rows` x `columns` registers, one channel a lane.
template <int rows, int columns>
struct Tile {
  __m512 at[rows][columns];
};

#define TORCHVAE_TILE TORCHVAE_AVX512 inline __attribute__((always_inline))

template <int rows, int columns>
TORCHVAE_TILE Tile<columns, rows> turned(const Tile<rows, columns>& t) {
  Tile<columns, rows> to;
#pragma GCC unroll 4
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < columns; ++j) to.at[j][i] = t.at[i][j];
  }
  return to;
}

// Of each column. `B^T d`:
template <int columns>
TORCHVAE_TILE Tile<4, columns> ofInput(const Tile<4, columns>& d) {
  Tile<4, columns> to;
#pragma GCC unroll 4
  for (int j = 0; j < columns; ++j) {
    to.at[0][j] = d.at[0][j] - d.at[2][j];
    to.at[1][j] = d.at[1][j] + d.at[2][j];
    to.at[2][j] = d.at[2][j] - d.at[1][j];
    to.at[3][j] = d.at[1][j] - d.at[3][j];
  }
  return to;
}

// `A^T m`:
template <int columns>
TORCHVAE_TILE Tile<2, columns> toOutput(const Tile<4, columns>& m) {
  Tile<2, columns> to;
#pragma GCC unroll 4
  for (int j = 0; j < columns; ++j) {
    to.at[0][j] = m.at[0][j] + m.at[1][j] + m.at[2][j];
    to.at[1][j] = m.at[1][j] - m.at[2][j] - m.at[3][j];
  }
  return to;
}

// `A y`:
template <int columns>
TORCHVAE_TILE Tile<4, columns> ofOutputGradient(const Tile<2, columns>& y) {
  Tile<4, columns> to;
#pragma GCC unroll 4
  for (int j = 0; j < columns; ++j) {
    to.at[0][j] = y.at[0][j];
    to.at[1][j] = y.at[0][j] + y.at[1][j];
    to.at[2][j] = y.at[0][j] - y.at[1][j];
    to.at[3][j] = _mm512_setzero_ps() - y.at[1][j];
  }
  return to;
}

// `G g`:
template <int columns>
TORCHVAE_TILE Tile<4, columns> ofWeights(const Tile<3, columns>& g) {
  const __m512 half = _mm512_set1_ps(0.5f);
  Tile<4, columns> to;
#pragma GCC unroll 4
  for (int j = 0; j < columns; ++j) {
    const __m512 outer = g.at[0][j] + g.at[2][j];
    to.at[0][j] = g.at[0][j];
    to.at[1][j] = half * (outer + g.at[1][j]);
    to.at[2][j] = half * (outer - g.at[1][j]);
    to.at[3][j] = g.at[2][j];
  }
  return to;
}

// `G^T u`:
template <int columns>
TORCHVAE_TILE Tile<3, columns> toWeightGradients(const Tile<4, columns>& u) {
  const __m512 half = _mm512_set1_ps(0.5f);
  Tile<3, columns> to;
#pragma GCC unroll 4
  for (int j = 0; j < columns; ++j) {
    const __m512 sum = half * (u.at[1][j] + u.at[2][j]);
    to.at[0][j] = u.at[0][j] + sum;
    to.at[1][j] = half * (u.at[1][j] - u.at[2][j]);
    to.at[2][j] = u.at[3][j] + sum;
  }
  return to;
}

TORCHVAE_TILE void store(const Tile<4, 4>& t, __mmask16 mask, float* to, int64_t apart) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) _mm512_mask_storeu_ps(to + (4 * i + j) * apart, mask, t.at[i][j]);
  }
}

// The lanes of the channels from `c` on.
TORCHVAE_TILE __mmask16 lanesFrom(int64_t c, int64_t channels) {
  return avx512::lanes(std::min<int64_t>(16, channels - c));
}

}  // namespace

TORCHVAE_AVX512 void inputToForm(const float* const (&pixels)[16], int64_t channels, float* form,
                                 int64_t apart) {
  for (int64_t c = 0; c < channels; c += 16) {
    const __mmask16 mask = lanesFrom(c, channels);
    Tile<4, 4> d;
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) d.at[i / 4][i % 4] = _mm512_maskz_loadu_ps(mask, pixels[i] + c);
    store(turned(ofInput(turned(ofInput(d)))), mask, form + c, apart);
  }
}

TORCHVAE_AVX512 void formToOutput(const float* form, int64_t apart, int64_t channels,
                                  float* const (&pixels)[4]) {
  for (int64_t c = 0; c < channels; c += 16) {
    const __mmask16 mask = lanesFrom(c, channels);
    Tile<4, 4> m;
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) m.at[i / 4][i % 4] = _mm512_maskz_loadu_ps(mask, form + i * apart + c);
    const Tile<2, 2> y = turned(toOutput(turned(toOutput(m))));
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) _mm512_mask_storeu_ps(pixels[i] + c, mask, y.at[i / 2][i % 2]);
  }
}

TORCHVAE_AVX512 void outputGradientToForm(const float* const (&pixels)[4], int64_t channels, float* form,
                                          int64_t apart) {
  for (int64_t c = 0; c < channels; c += 16) {
    const __mmask16 mask = lanesFrom(c, channels);
    Tile<2, 2> y;
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) y.at[i / 2][i % 2] = _mm512_maskz_loadu_ps(mask, pixels[i] + c);
    store(turned(ofOutputGradient(turned(ofOutputGradient(y)))), mask, form + c, apart);
  }
}

TORCHVAE_AVX512 void weightsToForm(const float* weights, int64_t channels, bool isTurned, float* form,
                                   int64_t apart) {
  for (int64_t c = 0; c < channels; c += 16) {
    const __mmask16 mask = lanesFrom(c, channels);
    Tile<3, 3> g;
#pragma GCC unroll 9
    for (int i = 0; i < 9; ++i) {
      const int64_t tap = isTurned ? 8 - i : i;
      g.at[i / 3][i % 3] = _mm512_maskz_loadu_ps(mask, weights + tap * channels + c);
    }
    store(turned(ofWeights(turned(ofWeights(g)))), mask, form + c, apart);
  }
}

TORCHVAE_AVX512 void formToWeightGradients(const float* form, int64_t apart, int64_t sums, int64_t sumsApart,
                                           int64_t channels, float* weights) {
  for (int64_t c = 0; c < channels; c += 16) {
    const __mmask16 mask = lanesFrom(c, channels);
    Tile<4, 4> u;
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) u.at[i / 4][i % 4] = _mm512_setzero_ps();
    for (int64_t s = 0; s < sums; ++s) {
      const float* own = form + s * sumsApart + c;
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) {
        u.at[i / 4][i % 4] = u.at[i / 4][i % 4] + _mm512_maskz_loadu_ps(mask, own + i * apart);
      }
    }
    const Tile<3, 3> g = turned(toWeightGradients(turned(toWeightGradients(u))));
#pragma GCC unroll 9
    for (int i = 0; i < 9; ++i) _mm512_mask_storeu_ps(weights + i * channels + c, mask, g.at[i / 3][i % 3]);
  }
}

}  // namespace torchvae::cpu
