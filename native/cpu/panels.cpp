#include "cpu/panels.h"

#include <algorithm>

#include "cpu/finish.h"
#include "cpu/magnitude.h"
#include "cpu/product.h"
#include "cpu/tiles.h"
#include "cpu/transpose.h"

namespace torchvae::cpu {
namespace {

// Of a product's first factor, so that what is summed over them stays in the second-level cache.
constexpr int64_t kRowsAtOnce = 128;
constexpr int64_t kPanelsAtOnce = kStepsAtOnce / kPanelColumns;
// Above this many rows of a batch, partial sums cost more than weights that all threads read.
constexpr int64_t kMostPartialRows = 256;

// Calls body(panels) for the blocks of each share, those of one share one after the other.
template <class Body>
void forPanelBlocks(Pool& pool, int64_t in, int64_t out, int64_t work, const Body& body) {
  const int64_t shares = work < kSmallProduct ? 1 : pool.threads();
  const int64_t blocks = panelBlocks(out, shares);
  const auto one = [&](int64_t index) {
    const Panels block = panelBlock(panelsOf(in, out, index / blocks, shares), index % blocks, blocks);
    if (block.count() > 0) body(block);
  };
  if (shares == 1) {
    for (int64_t index = 0; index < blocks; ++index) one(index);
  } else {
    pool.run(shares * blocks, one);
  }
}

// The sum over `panels` of w dyT, for rows i0 <= i < i1 of w and columns m0 <= m < m1 of the batch, to `to`.
void multiplyBack(const DenseShape& shape, const Panels& panels, const float* w, const float* dyT, int64_t i0,
                  int64_t i1, int64_t m0, int64_t m1, float* to, int64_t stride) {
  const int64_t panel = shape.in * kPanelColumns;
  for (int64_t m = m0; m < m1; m += 64) {
    const int64_t columns = std::min<int64_t>(64, m1 - m);
    const int64_t vectors = (columns + 15) / 16;
    const int64_t rest = columns - (vectors - 1) * 16;
    for (int64_t p = panels.first; p < panels.last; p += kPanelsAtOnce) {
      const Product product{w + p * panel + i0 * kPanelColumns,
                            kPanelColumns,
                            1,
                            panel,
                            dyT + p * kPanelColumns * shape.capacity + m,
                            16,
                            shape.capacity,
                            kPanelColumns * shape.capacity,
                            to + i0 * stride + m,
                            stride,
                            std::min(kPanelsAtOnce, panels.last - p),
                            kPanelColumns,
                            p > panels.first,
                            lanes(rest)};
      multiplyPanelRows(product, i1 - i0, vectors);
    }
  }
}

TORCHVAE_VECTORISED void addTo(const float* __restrict from, int64_t count, float* __restrict to) {
  for (int64_t j = 0; j < count; ++j) to[j] += from[j];
}

int64_t partialStride(int64_t rows) {
  return (rows + 15) / 16 * 16;
}

}  // namespace

void panelForward(Pool& pool, const DenseShape& shape, ActivationKind activation, const float* x,
                  const float* w, const float* bias, float* y, float* yT, Magnitude& magnitude) {
  const auto [rows, in, out, capacity] = shape;
  const int64_t panel = in * kPanelColumns;
  magnitude.reset();
  forPanelBlocks(pool, in, out, rows * in * out,
                 [&, rows = rows, in = in, out = out, capacity = capacity](const Panels& panels) {
                   const int64_t vectors = panels.count();
                   const int64_t n0 = panels.first * kPanelColumns;
                   const int64_t columns = vectors * kPanelColumns;
                   for (int64_t m = 0; m < rows; m += kRowsAtOnce) {
                     const int64_t some = std::min(kRowsAtOnce, rows - m);
                     float* tile = y + m * out + n0;
                     for (int64_t k = 0; k < in; k += kStepsAtOnce) {
                       multiplyColumns(
                           {x + m * in + k, in, 1, 0, w + panels.first * panel + k * kPanelColumns, panel,
                            kPanelColumns, 0, tile, out, 1, std::min(kStepsAtOnce, in - k), k > 0},
                           some, vectors);
                     }
                     magnitude.include(finishForward(activation, some, columns, bias + n0, tile, out));
                     if (yT != nullptr) transpose(tile, out, some, columns, yT + n0 * capacity + m, capacity);
                   }
                 });
}

int64_t panelPartialSize(const Pool& pool, int64_t in, int64_t capacity) {
  return (pool.threads() - 1) * in * partialStride(std::min(capacity, kMostPartialRows));
}

void panelInputGradient(Pool& pool, const DenseShape& shape, ActivationKind madeX, const float* w,
                        const float* dyT, const float* xT, float* dx, float* dxT, float* partial,
                        Magnitude& magnitude) {
  const auto [rows, in, out, capacity] = shape;
  const Panels all{0, out / kPanelColumns};
  const int64_t work = rows * in * out;
  magnitude.reset();
  const auto finish = [&, in = in, capacity = capacity](const Tile& t) {
    const int64_t at = t.m0 * capacity + t.n0;
    magnitude.include(
        finishInputGradient(madeX, t.rows(), t.columns(), xT + at, capacity, dxT + at, capacity));
    transpose(dxT + at, capacity, t.rows(), t.columns(), dx + t.n0 * in + t.m0, in);
  };
  const int64_t shares = pool.threads();
  if (shares == 1 || rows > kMostPartialRows || work < kSmallProduct) {
    forTiles(pool, {rows, in, 64, 96}, work, [&](const Tile& batchMajor) {
      const Tile t{batchMajor.n0, batchMajor.n1, batchMajor.m0, batchMajor.m1};
      multiplyBack(shape, all, w, dyT, t.m0, t.m1, t.n0, t.n1, dxT, capacity);
      finish(t);
    });
    return;
  }

  // Each share sums over its own panels, which no other core ever reads.
  const int64_t stride = partialStride(rows);
  constexpr int64_t kRows = 48;
  const int64_t down = (in + kRows - 1) / kRows;
  pool.run(shares * down, [&, rows = rows, in = in, capacity = capacity](int64_t index) {
    const int64_t share = index / down;
    const int64_t i0 = index % down * kRows;
    const bool isFirst = share == 0;
    multiplyBack(shape, panelsOf(in, out, share, shares), w, dyT, i0, std::min(i0 + kRows, in), 0, rows,
                 isFirst ? dxT : partial + (share - 1) * in * stride, isFirst ? capacity : stride);
  });
  forTiles(pool, {in, rows, 16, rows}, work, [&, rows = rows, in = in, capacity = capacity](const Tile& t) {
    for (int64_t i = t.m0; i < t.m1; ++i) {
      for (int64_t share = 1; share < shares; ++share) {
        addTo(partial + ((share - 1) * in + i) * stride, rows, dxT + i * capacity);
      }
    }
    finish(t);
  });
}

void panelWeightGradient(const float* x, int64_t in, const float* dy, int64_t out, int64_t rows, int64_t m0,
                         int64_t m1, float* dw) {
  multiplyTransposed({x + m0, 1, in, 0, dy, 0, out, 0, dw, kPanelColumns, 1, rows, false}, m1 - m0, 1);
}

}  // namespace torchvae::cpu
