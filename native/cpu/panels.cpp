#include "cpu/panels.h"

#include <algorithm>

#include "cpu/finish.h"
#include "cpu/magnitude.h"
#include "cpu/product.h"
#include "cpu/transpose.h"

namespace torchvae::cpu {
namespace {

constexpr int64_t kPanelsAtOnce = kStepsAtOnce / kPanelColumns;
// Above these, partial sums cost more than weights that all threads read.
constexpr int64_t kMostPartialRows = 256;
constexpr int64_t kMostPartials = 4;

// Calls body(panels, m0, m1) for the blocks of each share, those of one share one after the other, and for
// ranges of rows m0 <= m < m1, which begin at multiples of `unit`: low ones where there are hardly more
// panels than threads, and some threads' work is what they take from others.
template <class Body>
void forPanelBlocks(Pool& pool, const DenseShape& shape, int64_t unit, const Body& body) {
  const auto [rows, in, out, capacity] = shape;
  const bool alone = rows * in * out < kSmallProduct;
  const int64_t shares = alone ? 1 : pool.threads();
  const int64_t blocks = panelBlocks(out, shares);
  const int64_t wanted = panelCount(out) >= 4 * shares ? 128 : 32;
  const int64_t height = (wanted + unit - 1) / unit * unit;
  const int64_t down = (rows + height - 1) / height;
  const auto one = [&, rows = rows, in = in, out = out](int64_t index) {
    const int64_t block = index / down;
    const Panels panels = panelBlock(panelsOf(in, out, block / blocks, shares), block % blocks, blocks);
    const int64_t m0 = index % down * height;
    if (panels.count() > 0) body(panels, m0, std::min(m0 + height, rows));
  };
  if (alone) {
    for (int64_t index = 0; index < blocks * down; ++index) one(index);
  } else {
    pool.run(shares * blocks * down, one);
  }
}

// Columns of the last of them.
int64_t lastColumns(const Panels& panels, int64_t out) {
  return std::min(panels.last * kPanelColumns, out) - (panels.last - 1) * kPanelColumns;
}

// The sum over `panels` of w dyT, for a tile of [in, rows], to `to`.
void multiplyBack(const DenseShape& shape, const Panels& panels, const float* w, const float* dyT,
                  const Tile& t, float* to, int64_t stride) {
  const int64_t panel = shape.in * kPanelColumns;
  for (int64_t m = 0; m < t.columns(); m += 64) {
    const int64_t columns = std::min<int64_t>(64, t.columns() - m);
    const int64_t vectors = (columns + 15) / 16;
    const int64_t rest = columns - (vectors - 1) * 16;
    for (int64_t p = panels.first; p < panels.last; p += kPanelsAtOnce) {
      const Panels now{p, std::min(p + kPanelsAtOnce, panels.last)};
      const Product product{w + p * panel + t.m0 * kPanelColumns,
                            kPanelColumns,
                            1,
                            panel,
                            dyT + p * kPanelColumns * shape.capacity + t.n0 + m,
                            16,
                            shape.capacity,
                            kPanelColumns * shape.capacity,
                            to + m,
                            stride,
                            now.count(),
                            kPanelColumns,
                            p > panels.first,
                            rest,
                            lastColumns(now, shape.out)};
      multiplyPanelRows(product, t.rows(), vectors);
    }
  }
}

// The sum of `count` rows that lie `apart`; `to` may be the first.
TORCHVAE_VECTORIZED void addParts(const float* from, int64_t count, int64_t apart, int64_t columns,
                                  float* to) {
  for (int64_t j = 0; j < columns; ++j) {
    float sum = from[j];
    for (int64_t part = 1; part < count; ++part) sum += from[part * apart + j];
    to[j] = sum;
  }
}

// Parts of a sum over panels, one for each share of threads; one thread takes two, so that it gives the bits
// that two give.
int64_t partials(const Pool& pool) {
  return std::max<int64_t>(2, pool.threads());
}

int64_t partialStride(int64_t rows) {
  return (rows + 15) / 16 * 16;
}

}  // namespace

void panelForward(Pool& pool, const DenseShape& shape, ActivationKind activation, const float* x,
                  const float* w, const float* bias, const DenseOutput& output, Magnitude& magnitude) {
  const auto [rows, in, out, capacity] = shape;
  const int64_t panel = in * kPanelColumns;
  magnitude.reset();
  const auto multiplyBlock = [&, in = in, out = out](const Panels& panels, int64_t m0, int64_t m1) {
    const Tile t = tileOf(panels, in, out);
    const float* from = w + panels.first * panel;
    float* tile = output.y + m0 * out + t.n0;
    for (int64_t k = 0; k < in; k += kStepsAtOnce) {
      multiplyColumns({x + m0 * in + k, in, 1, 0, from + k * kPanelColumns, panel, kPanelColumns, 0, tile,
                       out, 1, std::min(kStepsAtOnce, in - k), k > 0, lastColumns(panels, out)},
                      m1 - m0, panels.count());
    }
    magnitude.include(finishDenseForward(shape, activation, bias, output, {m0, m1, t.n0, t.n1}));
  };
  forPanelBlocks(pool, shape, 1, multiplyBlock);
}

void sparsePanelForward(Pool& pool, const DenseShape& shape, ActivationKind activation, const float* x,
                        const Nonzeros& nonzeros, const float* w, const float* bias,
                        const DenseOutput& output, Magnitude& magnitude) {
  constexpr int64_t kTogether = Nonzeros::kRows;
  const auto [rows, in, out, capacity] = shape;
  const int64_t panel = in * kPanelColumns;
  magnitude.reset();
  const auto multiplyBlock = [&, in = in, out = out](const Panels& panels, int64_t m0, int64_t m1) {
    const Tile t = tileOf(panels, in, out);
    for (int64_t m = m0; m < m1; m += kTogether) {
      const Product product{x + m * in,
                            in,
                            1,
                            0,
                            w + panels.first * panel,
                            panel,
                            kPanelColumns,
                            0,
                            output.y + m * out + t.n0,
                            out,
                            1,
                            in,
                            false,
                            lastColumns(panels, out)};
      multiplySteps(product, nonzeros.columnsOf(m / kTogether), std::min(kTogether, m1 - m), panels.count());
    }
    magnitude.include(finishDenseForward(shape, activation, bias, output, {m0, m1, t.n0, t.n1}));
  };
  forPanelBlocks(pool, shape, kTogether, multiplyBlock);
}

int64_t panelPartialSize(const Pool& pool, int64_t in, int64_t capacity) {
  if (pool.threads() > kMostPartials) return 0;
  return partials(pool) * in * partialStride(std::min(capacity, kMostPartialRows));
}

void panelInputGradient(Pool& pool, const DenseShape& shape, ActivationKind madeX, const float* w,
                        const float* dyT, const InputGradient& gradient, float* partial,
                        Magnitude& magnitude) {
  const auto [rows, in, out, capacity] = shape;
  const int64_t work = rows * in * out;
  // A share without panels would leave its part of the sum unwritten.
  const int64_t shares = std::min(partials(pool), panelCount(out));
  const bool keeps = gradient.dxT != nullptr;
  magnitude.reset();
  if (shares == 1 || pool.threads() > kMostPartials || rows > kMostPartialRows || work < kSmallProduct) {
    constexpr int64_t kIn = 96, kBatch = 64;
    Tiles tiles{rows, in, kBatch, kIn};
    if (tiles.count() < 4 * shares) tiles.tileN = 48;
    if (tiles.count() < 4 * shares) tiles.tileM = 32;
    if (tiles.count() < 4 * shares) tiles.tileN = 24;
    forTiles(pool, tiles, work, [&](const Tile& batchMajor) {
      alignas(64) float scratch[kIn * kBatch];
      const Tile t{batchMajor.n0, batchMajor.n1, batchMajor.m0, batchMajor.m1};
      float* product = keeps ? gradient.dxT + t.m0 * capacity + t.n0 : scratch;
      const int64_t stride = keeps ? capacity : kBatch;
      multiplyBack(shape, {0, panelCount(shape.out)}, w, dyT, t, product, stride);
      magnitude.include(finishInputGradient(shape, madeX, gradient, t, product, stride));
    });
    return;
  }

  // Each share sums over its own panels, which no other core ever reads.
  const int64_t stride = partialStride(rows);
  constexpr int64_t kRows = 48;
  const int64_t down = (in + kRows - 1) / kRows;
  const auto partOf = [&, in = in](int64_t share, int64_t i) { return partial + (share * in + i) * stride; };
  pool.run(shares * down, [&, rows = rows, in = in, out = out](int64_t index) {
    const int64_t share = index / down;
    const int64_t i0 = index % down * kRows;
    const Tile t{i0, std::min(i0 + kRows, in), 0, rows};
    multiplyBack(shape, panelsOf(in, out, share, shares), w, dyT, t, partOf(share, i0), stride);
  });
  forTiles(pool, {in, rows, 16, rows}, work, [&, capacity = capacity](const Tile& t) {
    float* product = keeps ? gradient.dxT + t.m0 * capacity + t.n0 : partOf(0, t.m0);
    const int64_t apart = keeps ? capacity : stride;
    for (int64_t i = 0; i < t.rows(); ++i) {
      addParts(partOf(0, t.m0 + i), shares, in * stride, t.columns(), product + i * apart);
    }
    magnitude.include(finishInputGradient(shape, madeX, gradient, t, product, apart));
  });
}

void panelWeightGradient(const PanelFactors& factors, int64_t panel, int64_t m0, int64_t m1, float* dw) {
  const auto [x, dy, rows, in, out, nonzeros] = factors;
  const Tile t = tileOf({panel, panel + 1}, in, out);
  if (nonzeros == nullptr) {
    multiplyTransposed(m1 - m0, t.columns(), rows, x + m0, in, dy + t.n0, out, dw, kPanelColumns);
    return;
  }
  constexpr int64_t kColumns = InputTiles::kColumns;
  const InputTiles tiles = nonzeros->tiles();
  for (int64_t m = m0; m < m1; m += kColumns) {
    const Product product{
        x + m,         1, in,   0,     dy + t.n0,  kPanelColumns, out, 0, dw + (m - m0) * kPanelColumns,
        kPanelColumns, 1, rows, false, t.columns()};
    multiplySteps(product, tiles.rowsOf(m / kColumns), std::min(kColumns, m1 - m), 1);
  }
}

}  // namespace torchvae::cpu
