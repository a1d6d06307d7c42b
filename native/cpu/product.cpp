#include "cpu/product.h"

#include <algorithm>

#include "cpu/sixteen.h"

namespace torchvae::cpu {
namespace {

constexpr int64_t kPanelRow = 16;

namespace avx512 {

using namespace torchvae::avx512;
#define TORCHVAE_SET TORCHVAE_AVX512
#include "cpu/product_rows.h"
#undef TORCHVAE_SET

// As many rows at once as there are registers for, the rest by quarters and one by one. Masks cost nothing.
template <int vectors, int64_t kRow>
void multiplyRows(const Product& p, int64_t m) {
  constexpr int kRows = vectors == 4 ? 6 : vectors == 3 ? 8 : vectors == 2 ? 12 : 16;
  constexpr int kFew = vectors == 4 ? 2 : 4;
  int64_t i = 0;
  for (; i + kRows <= m; i += kRows) multiplyTile<kRows, vectors, kRow, false>(p, i);
  for (; i + kFew <= m; i += kFew) multiplyTile<kFew, vectors, kRow, false>(p, i);
  for (; i < m; ++i) multiplyTile<1, vectors, kRow, false>(p, i);
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

void multiplySteps(const Product& p, const Steps& steps, int64_t m, int64_t vectors) {
  switch (vectors) {
    case 4:
      return multiplyStepsOf<4, false>(m, p, steps);
    case 3:
      return multiplyStepsOf<3, false>(m, p, steps);
    case 2:
      return multiplyStepsOf<2, false>(m, p, steps);
    default:
      return multiplyStepsOf<1, false>(m, p, steps);
  }
}

}  // namespace avx512

namespace avx2 {

using namespace torchvae::avx2;
#define TORCHVAE_SET TORCHVAE_AVX2
#include "cpu/product_rows.h"
#undef TORCHVAE_SET

template <int64_t kRow, bool kWhole>
void multiplyTileOf(int64_t rows, const Product& p, int64_t m0) {
  switch (rows) {
    case 6:
      return multiplyTile<6, 1, kRow, kWhole>(p, m0);
    case 5:
      return multiplyTile<5, 1, kRow, kWhole>(p, m0);
    case 4:
      return multiplyTile<4, 1, kRow, kWhole>(p, m0);
    case 3:
      return multiplyTile<3, 1, kRow, kWhole>(p, m0);
    case 2:
      return multiplyTile<2, 1, kRow, kWhole>(p, m0);
    default:
      return multiplyTile<1, 1, kRow, kWhole>(p, m0);
  }
}

// Tiles of as even a number of rows as their sums have registers for.
template <int64_t kRow, bool kWhole>
void multiplyRows(const Product& p, int64_t m) {
  constexpr int64_t kMost = kSixteens - 2;
  const int64_t tiles = (m + kMost - 1) / kMost;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t first = m * tile / tiles;
    multiplyTileOf<kRow, kWhole>(m * (tile + 1) / tiles - first, p, first);
  }
}

// Calls body(part) for one sixteen of columns after the other: what all rows read of b then stays near.
template <class Body>
void forSixteens(const Product& product, int64_t vectors, const Body& body) {
  Product part = product;
  for (int64_t j = 0; j < vectors; ++j) {
    part.b = product.b + j * product.bVector;
    part.c = product.c + j * 16;
    part.last = j + 1 < vectors ? 16 : product.last;
    body(part);
  }
}

template <int64_t kRow>
void multiplyVectors(const Product& product, int64_t m, int64_t vectors) {
  forSixteens(product, vectors, [&](const Product& part) {
    part.last == 16 ? multiplyRows<kRow, true>(part, m) : multiplyRows<kRow, false>(part, m);
  });
}

void multiplySteps(const Product& product, const Steps& steps, int64_t m, int64_t vectors) {
  forSixteens(product, vectors, [&](const Product& part) {
    part.last == 16 ? multiplyStepsOf<1, true>(m, part, steps) : multiplyStepsOf<1, false>(m, part, steps);
  });
}

}  // namespace avx2

template <int64_t kRow>
void multiplyVectors(const Product& product, int64_t m, int64_t vectors) {
  if (hasAvx512()) return avx512::multiplyVectors<kRow>(product, m, vectors);
  avx2::multiplyVectors<kRow>(product, m, vectors);
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
    product.last = std::min<int64_t>(n - (last - 1) * 16, 16);
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

void multiplySteps(const Product& product, const Steps& steps, int64_t m, int64_t vectors) {
  if (hasAvx512()) return avx512::multiplySteps(product, steps, m, vectors);
  avx2::multiplySteps(product, steps, m, vectors);
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
