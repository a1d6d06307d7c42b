#include "cpu/product.h"

#include <algorithm>

#include "cpu/intrinsics.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

constexpr int64_t kPanelRow = 16;

// `kRow` is aRow where that is known when this is compiled, else 0.
template <int rows, int vectors, int64_t kRow>
TORCHVAE_AVX512 void multiplyTile(const Product& p, int64_t m0) {
  constexpr int kCount = rows * vectors;
  const int64_t row = kRow == 0 ? p.aRow : kRow;
  float* c = p.c + m0 * p.cRow;
  __m512 sum[kCount];
#pragma GCC unroll 24
  for (int i = 0; i < kCount; ++i) {
    const __mmask16 mask = i % vectors == vectors - 1 ? p.last : 0xffff;
    sum[i] = p.adds ? _mm512_maskz_loadu_ps(mask, c + i / vectors * p.cRow + i % vectors * 16)
                    : _mm512_setzero_ps();
  }
  for (int64_t group = 0; group < p.groups; ++group) {
    const float* a = p.a + m0 * row + group * p.aGroup;
    const float* b = p.b + group * p.bGroup;
    if constexpr (kRow == kPanelRow) {
      // The next rows' part of this panel: the way from panel to panel is too long for the prefetchers.
#pragma GCC unroll 16
      for (int i = 0; i < rows; ++i) ask(a + (rows + i) * kPanelRow);
    }
    for (int64_t k = 0; k < p.length; ++k, a += p.aStep, b += p.bStep) {
      __m512 line[vectors];
#pragma GCC unroll 4
      for (int j = 0; j < vectors; ++j) {
        line[j] = j < vectors - 1 ? _mm512_loadu_ps(b + j * p.bVector)
                                  : _mm512_maskz_loadu_ps(p.last, b + j * p.bVector);
      }
#pragma GCC unroll 16
      for (int i = 0; i < rows; ++i) {
        const __m512 factor = _mm512_set1_ps(a[i * row]);
#pragma GCC unroll 4
        for (int j = 0; j < vectors; ++j)
          sum[i * vectors + j] = _mm512_fmadd_ps(factor, line[j], sum[i * vectors + j]);
      }
    }
  }
#pragma GCC unroll 24
  for (int i = 0; i < kCount; ++i) {
    const __mmask16 mask = i % vectors == vectors - 1 ? p.last : 0xffff;
    _mm512_mask_storeu_ps(c + i / vectors * p.cRow + i % vectors * 16, mask, sum[i]);
  }
}

// As many rows at once as there are registers for, the rest by quarters and one by one.
template <int vectors, int64_t kRow>
void multiplyRows(const Product& p, int64_t m) {
  constexpr int kRows = vectors == 4 ? 6 : vectors == 3 ? 8 : vectors == 2 ? 12 : 16;
  constexpr int kFew = vectors == 4 ? 2 : 4;
  int64_t i = 0;
  for (; i + kRows <= m; i += kRows) multiplyTile<kRows, vectors, kRow>(p, i);
  for (; i + kFew <= m; i += kFew) multiplyTile<kFew, vectors, kRow>(p, i);
  for (; i < m; ++i) multiplyTile<1, vectors, kRow>(p, i);
}

template <int64_t kRow>
void multiplyVectors(const Product& p, int64_t m, int64_t vectors) {
  switch (vectors) {
    case 4:
      return multiplyRows<4, kRow>(p, m);
    case 3:
      return multiplyRows<3, kRow>(p, m);
    case 2:
      return multiplyRows<2, kRow>(p, m);
    default:
      return multiplyRows<1, kRow>(p, m);
  }
}

// `product` with all n columns, in ranges of steps and in blocks of registers of even size.
template <int64_t kRow>
void multiplyAll(Product product, int64_t m, int64_t n) {
  const int64_t k = product.length;
  const int64_t registers = (n + 15) / 16;
  const int64_t blocks = (registers + 3) / 4;
  const Product whole = product;
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t first = registers * block / blocks;
    const int64_t last = registers * (block + 1) / blocks;
    product.c = whole.c + first * 16;
    product.last = lanes(std::min<int64_t>(n - (last - 1) * 16, 16));
    for (int64_t k0 = 0; k0 < k; k0 += kStepsAtOnce) {
      product.a = whole.a + k0 * whole.aStep;
      product.b = whole.b + k0 * whole.bStep + first * 16;
      product.length = std::min(kStepsAtOnce, k - k0);
      product.adds = whole.adds || k0 > 0;
      multiplyVectors<kRow>(product, m, last - first);
    }
  }
}

}  // namespace

void multiplyColumns(const Product& product, int64_t m, int64_t vectors) {
  multiplyVectors<0>(product, m, vectors);
}

void multiplyPanelRows(const Product& product, int64_t m, int64_t vectors) {
  multiplyVectors<kPanelRow>(product, m, vectors);
}

void multiplyRegisters(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b,
                       int64_t ldb, float* c, int64_t ldc) {
  multiplyAll<0>({a, lda, 1, 0, b, 16, ldb, 0, c, ldc, 1, k, false}, m, n);
}

void multiplyTransposed(int64_t m, int64_t n, int64_t k, const float* aT, int64_t lda, const float* b,
                        int64_t ldb, float* c, int64_t ldc, bool adds) {
  multiplyAll<1>({aT, 1, lda, 0, b, 16, ldb, 0, c, ldc, 1, k, adds}, m, n);
}

}  // namespace torchvae::cpu
