#include "cpu/dense.h"

#include <ATen/native/CPUBlas.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "cpu/lane_sum.h"
#include "cpu/transpose.h"
#include "cpu/vector.h"
#include "ops/activation.h"

namespace torchvae::cpu {
namespace {

// Below this many multiplications a region costs more to share than to do.
constexpr int64_t kSmallProduct = int64_t{1} << 16;

// A tiling of an [m, n] matrix.
struct Tiles {
  int64_t m, n, tileM, tileN;
  int64_t across() const { return (n + tileN - 1) / tileN; }
  int64_t count() const { return (m + tileM - 1) / tileM * across(); }
};

struct Tile {
  int64_t m0, m1, n0, n1;
};

Tile tileAt(const Tiles& tiles, int64_t index) {
  const int64_t m0 = index / tiles.across() * tiles.tileM;
  const int64_t n0 = index % tiles.across() * tiles.tileN;
  return {m0, std::min(m0 + tiles.tileM, tiles.m), n0, std::min(n0 + tiles.tileN, tiles.n)};
}

template <class Body>
void forTiles(Pool& pool, const Tiles& tiles, int64_t work, const Body& body) {
  const auto one = [&](int64_t index) { body(tileAt(tiles, index), index); };
  if (work < kSmallProduct) {
    for (int64_t index = 0; index < tiles.count(); ++index) one(index);
  } else {
    pool.run(tiles.count(), one);
  }
}

// c [m, n] = a [m, k] b [k, n], each row-major with its own row stride.
TORCHVAE_INLINE void multiply(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b,
                              int64_t ldb, float* c, int64_t ldc) {
  at::native::cpublas::brgemm(m, n, k, lda, ldb, ldc, false, a, b, c);
}

template <ActivationKind kind>
TORCHVAE_VECTORISED void finishForward(const Tile& tile, const float* bias, float* y, int64_t ldy) {
  for (int64_t i = tile.m0; i < tile.m1; ++i) {
    float* row = y + i * ldy;
    for (int64_t j = tile.n0; j < tile.n1; ++j) row[j] = activate<kind>(row[j] + bias[j]);
  }
}

template <ActivationKind kind>
TORCHVAE_VECTORISED void finishInputGradient(const Tile& tile, const float* xT, float* dxT, int64_t stride) {
  for (int64_t i = tile.m0; i < tile.m1; ++i) {
    const float* x = xT + i * stride;
    float* gradient = dxT + i * stride;
    for (int64_t j = tile.n0; j < tile.n1; ++j) gradient[j] *= activationSlope<kind>(x[j]);
  }
}

TORCHVAE_VECTORISED void sumColumns(const float* dy, int64_t rows, int64_t stride, int64_t first,
                                    int64_t last, float* sums) {
  for (int64_t j = first; j < last; ++j) sums[j] = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const float* row = dy + i * stride;
    for (int64_t j = first; j < last; ++j) sums[j] += row[j];
  }
}

TORCHVAE_VECTORISED double sumSquares(const float* values, int64_t rows, int64_t columns, int64_t stride) {
  LaneSum sum;
  for (int64_t i = 0; i < rows; ++i) {
    const float* row = values + i * stride;
    const int64_t whole = columns / 16 * 16;
    for (int64_t j = 0; j < whole; j += 16) {
      for (int64_t k = 0; k < 16; ++k) sum.lane[k] += row[j + k] * row[j + k];
    }
    for (int64_t j = whole; j < columns; ++j) sum.lane[j - whole] += row[j] * row[j];
  }
  return sum.total();
}

}  // namespace

void denseForward(Pool& pool, const DenseShape& shape, ActivationKind activation, const float* x,
                  const float* w, const float* bias, float* y, float* yT) {
  const auto [rows, in, out, capacity] = shape;
  withActivation(activation, [&](auto kind) {
    forTiles(pool, {rows, out, 32, 64}, rows * in * out, [&](const Tile& t, int64_t) {
      multiply(t.m1 - t.m0, t.n1 - t.n0, in, x + t.m0 * in, in, w + t.n0, out, y + t.m0 * out + t.n0, out);
      finishForward<kind.value>(t, bias, y, out);
      if (yT != nullptr) {
        transpose(y + t.m0 * out + t.n0, out, t.m1 - t.m0, t.n1 - t.n0, yT + t.n0 * capacity + t.m0,
                  capacity);
      }
    });
  });
}

double denseWeightGradient(Pool& pool, const DenseShape& shape, const float* xT, const float* dy, float* dw,
                           float* dbias) {
  const auto [rows, in, out, capacity] = shape;
  const Tiles tiles{in, out, 128, 64};
  // A sum a tile, added up in the tiles' order, whichever thread made which.
  std::vector<double> squares(static_cast<size_t>(tiles.count()));
  forTiles(pool, tiles, rows * in * out, [&](const Tile& t, int64_t index) {
    multiply(t.m1 - t.m0, t.n1 - t.n0, rows, xT + t.m0 * capacity, capacity, dy + t.n0, out,
             dw + t.m0 * out + t.n0, out);
    double sum = sumSquares(dw + t.m0 * out + t.n0, t.m1 - t.m0, t.n1 - t.n0, out);
    if (t.m0 == 0) {
      sumColumns(dy, rows, out, t.n0, t.n1, dbias);
      sum += sumSquares(dbias + t.n0, 1, t.n1 - t.n0, out);
    }
    squares[static_cast<size_t>(index)] = sum;
  });
  return std::accumulate(squares.begin(), squares.end(), 0.0);
}

void denseInputGradient(Pool& pool, const DenseShape& shape, ActivationKind madeX, const float* w,
                        const float* dyT, const float* xT, float* dx, float* dxT) {
  const auto [rows, in, out, capacity] = shape;
  withActivation(madeX, [&](auto kind) {
    forTiles(pool, {in, rows, 32, 64}, rows * in * out, [&](const Tile& t, int64_t) {
      multiply(t.m1 - t.m0, t.n1 - t.n0, out, w + t.m0 * out, out, dyT + t.n0, capacity,
               dxT + t.m0 * capacity + t.n0, capacity);
      if constexpr (kind.value != ActivationKind::kIdentity)
        finishInputGradient<kind.value>(t, xT, dxT, capacity);
      transpose(dxT + t.m0 * capacity + t.n0, capacity, t.m1 - t.m0, t.n1 - t.n0, dx + t.n0 * in + t.m0, in);
    });
  });
}

}  // namespace torchvae::cpu
