#include "cpu/weights.h"

#include "cpu/adam_tiles.h"
#include "cpu/gemm.h"
#include "cpu/lane_sum.h"
#include "cpu/panels.h"
#include "cpu/product.h"
#include "cpu/scratch.h"
#include "cpu/tiles.h"

namespace torchvae::cpu {
namespace {

// Whole rows of a weight matrix, where these are not too long: one unbroken range of the
// optimizer's memory, which the processor prefetches.
constexpr int64_t kTileRows = 24;
constexpr int64_t kTileColumns = 512;

enum class Scratch : uint8_t { kInputTiles, kUses };

// Work on one product that one thread does: a tile of a row-major matrix, or a block of panels.
Tiles tilesOf(const WeightProduct& product) {
  return {product.in, product.out, kTileRows, std::min(product.out, kTileColumns)};
}

// Calls onTile(product, tile) and onPanels(product, panels) for all of the products. Panels go to the thread
// that multiplies by them in the next step's forward pass: what it has written is in its cache, and what no
// other core has read need not be asked back.
template <class OnTile, class OnPanels>
void forWeights(Pool& pool, const std::vector<WeightProduct>& products, const OnTile& onTile,
                const OnPanels& onPanels) {
  const int64_t shares = pool.threads();
  const auto piecesOf = [&](const WeightProduct& product) {
    return product.panels ? panelBlocks(product.out, shares)
                          : (tilesOf(product).count() + shares - 1) / shares;
  };
  int64_t each = 0;
  for (const WeightProduct& product : products) each += piecesOf(product);
  pool.run(shares * each, [&](int64_t index) {
    const int64_t share = index / each;
    int64_t within = index % each;
    const WeightProduct* product = products.data();
    for (int64_t count; within >= (count = piecesOf(*product)); ++product) within -= count;
    if (product->panels) {
      const Panels own = panelsOf(product->in, product->out, share, shares);
      const Panels block = panelBlock(own, within, piecesOf(*product));
      if (block.count() > 0) onPanels(*product, block);
    } else {
      const Tiles tiles = tilesOf(*product);
      const int64_t tile = within * shares + share;
      if (tile < tiles.count()) onTile(*product, tileAt(tiles, tile));
    }
  });
}

void multiplyTile(const WeightProduct& p, const Tile& t, float* dw, int64_t stride) {
  const int64_t rows = p.rows;
  if (p.dyPairs.to != nullptr) {
    multiplyBf16(t.rows(), t.columns(), even(rows), p.xTRounded.to + t.m0 * p.xTRounded.stride,
                 p.xTRounded.stride, p.dyPairs.to + 2 * t.n0, p.out, dw, stride);
    return;
  }
  if (p.xT == nullptr) {
    multiplyTransposed(t.rows(), t.columns(), rows, p.x + t.m0, p.in, p.dy + t.n0, p.out, dw, stride);
    return;
  }
  multiply(t.rows(), t.columns(), rows, p.xT + t.m0 * p.capacity, p.capacity, p.dy + t.n0, p.out, dw, stride);
}

// sums[j] for columns n0 <= j < n1 of dy, the first at sums[0].
TORCHVAE_VECTORIZED void sumValues(const WeightProduct& p, const Tile& t, float* sums) {
  const int64_t columns = t.columns();
  for (int64_t j = 0; j < columns; ++j) sums[j] = 0;
  for (int64_t i = 0; i < p.rows; ++i) {
    const float* row = p.dy + i * p.out + t.n0;
    for (int64_t j = 0; j < columns; ++j) sums[j] += row[j];
  }
}

void sumColumns(const WeightProduct& p, const Tile& t, float* sums) {
  if (p.dyPairs.to != nullptr) {
    sumPairedColumns(p.dyPairs.to + 2 * t.n0, p.dyPairs.stride, p.rows, t.columns(), sums);
  } else {
    sumValues(p, t, sums);
  }
}

// The bias's part that belongs to the tile's columns.
void updateBias(const WeightProduct& p, const Tile& t, const OptimizerCoefficients& coefficients,
                const OptimizerState& state) {
  alignas(64) float gradient[kTileColumns];
  for (int64_t from = t.n0; from < t.n1; from += kTileColumns) {
    const Tile part{0, 0, from, std::min(from + kTileColumns, t.n1)};
    const int64_t at = p.bias + from;
    sumColumns(p, part, gradient);
    optimizerUpdate(coefficients, gradient, state.first + at, state.second + at, state.values + at,
                    part.columns());
  }
}

void updateTile(const WeightProduct& p, const Tile& t, const OptimizerCoefficients& coefficients,
                const OptimizerState& state) {
  alignas(64) float gradient[kTileRows * kTileColumns];
  const int64_t offset = p.weight + t.m0 * p.out + t.n0;
  multiplyTile(p, t, gradient, t.columns());
  const bool isWhole = t.columns() == p.out;  // its rows are one range
  const int64_t lines = isWhole ? 1 : t.rows();
  const int64_t each = isWhole ? t.rows() * p.out : t.columns();
  for (int64_t i = 0; i < lines; ++i) {
    const int64_t at = offset + i * p.out;
    optimizerUpdate(coefficients, gradient + i * t.columns(), state.first + at, state.second + at,
                    state.values + at, each);
  }
  if (state.rounded != nullptr) {
    const Bf16Places places{{state.rounded + p.weight, p.out}, {state.paired + p.weight, 2 * p.out}, {}, {}};
    roundTile(state.values + offset, p.out, t.rows(), t.columns(), placesAt(places, t.m0, t.n0));
  }
  if (t.m0 == 0) updateBias(p, t, coefficients, state);
}

PanelFactors factorsOf(const WeightProduct& p) {
  return {p.x, p.dy, p.rows, p.in, p.out, p.nonzeros};
}

void updatePanel(const WeightProduct& p, int64_t panel, const OptimizerCoefficients& coefficients,
                 const OptimizerState& state) {
  constexpr int64_t kRows = 96;
  alignas(64) float gradient[kRows * kPanelColumns] = {};
  for (int64_t m0 = 0; m0 < p.in; m0 += kRows) {
    const int64_t m1 = std::min(m0 + kRows, p.in);
    const int64_t at = p.weight + (panel * p.in + m0) * kPanelColumns;
    panelWeightGradient(factorsOf(p), panel, m0, m1, gradient);
    optimizerUpdate(coefficients, gradient, state.first + at, state.second + at, state.values + at,
                    (m1 - m0) * kPanelColumns);
  }
}

// Of the products whose panels take x from tiles, the tiles; others have none.
std::vector<InputTiles> inputTiles(Pool& pool, const std::vector<WeightProduct>& products) {
  constexpr int64_t kPiece = 16;
  struct Piece {
    const WeightProduct* product;
    int64_t first, last;
    float* values;
  };
  std::vector<InputTiles> all(products.size());
  std::vector<Piece> pieces;
  int64_t size = 0;
  const auto isCopied = [](const WeightProduct& p) {
    return p.panels && p.nonzeros == nullptr && takesTiles();
  };
  const auto sizeOf = [](const WeightProduct& p) {
    return InputTiles::count(p.in) * InputTiles::kColumns * p.rows;
  };
  for (const WeightProduct& p : products) size += isCopied(p) ? sizeOf(p) : 0;
  float* values = scratch(Scratch::kInputTiles, size);
  for (size_t i = 0; i < products.size(); ++i) {
    const WeightProduct& p = products[i];
    if (p.nonzeros != nullptr) all[i] = p.nonzeros->tiles();
    if (!isCopied(p)) continue;
    const int64_t tiles = InputTiles::count(p.in);
    for (int64_t first = 0; first < tiles; first += kPiece) {
      pieces.push_back({&p, first, std::min(first + kPiece, tiles), values});
    }
    all[i] = {values, p.rows};
    values += sizeOf(p);
  }
  pool.run(static_cast<int64_t>(pieces.size()), [&](int64_t index) {
    const Piece& piece = pieces[static_cast<size_t>(index)];
    copyTiles(piece.product->x, piece.product->rows, piece.product->in, piece.first, piece.last,
              piece.values);
  });
  return all;
}

}  // namespace

TORCHVAE_VECTORIZED double sumSquares(const float* values, int64_t rows, int64_t columns, int64_t stride) {
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

bool isBounded(float x, float dy, int64_t rows) {
  constexpr double kLimit = 1e19;
  const double largest = x < 1 ? 1.0 : x;  // NaN stays NaN, which no comparison admits
  return largest * dy * static_cast<double>(rows) < kLimit;
}

void weightGradients(Pool& pool, const std::vector<WeightProduct>& products, float* gradients) {
  const auto onTile = [&](const WeightProduct& p, const Tile& t) {
    multiplyTile(p, t, gradients + p.weight + t.m0 * p.out + t.n0, p.out);
    if (t.m0 == 0) sumColumns(p, t, gradients + p.bias + t.n0);
  };
  const auto onPanels = [&](const WeightProduct& p, const Panels& panels) {
    for (int64_t panel = panels.first; panel < panels.last; ++panel) {
      panelWeightGradient(factorsOf(p), panel, 0, p.in, gradients + p.weight + panel * p.in * kPanelColumns);
    }
    const Tile columns = tileOf(panels, p.in, p.out);
    sumColumns(p, columns, gradients + p.bias + columns.n0);
  };
  forWeights(pool, products, onTile, onPanels);
}

void updateWeights(Pool& pool, const std::vector<WeightProduct>& products,
                   const OptimizerCoefficients& coefficients, const OptimizerState& state) {
  const bool weaves = weavesAdam(coefficients);
  const std::vector<InputTiles> tiles = weaves ? inputTiles(pool, products) : std::vector<InputTiles>();
  const auto tilesOfInput = [&](const WeightProduct& p) {
    const InputTiles& own = tiles[static_cast<size_t>(&p - products.data())];
    return own.values == nullptr ? nullptr : &own;
  };
  const auto onTile = [&](const WeightProduct& p, const Tile& t) { updateTile(p, t, coefficients, state); };
  const auto onPanels = [&](const WeightProduct& p, const Panels& panels) {
    const Tile columns = tileOf(panels, p.in, p.out);
    const int64_t at = p.weight + columns.n0 * p.in;
    if (weaves) {
      updatePanels(coefficients, {p.x, p.dy + columns.n0, p.in, p.out, p.rows, columns.columns(),
                                  state.first + at, state.second + at, state.values + at, tilesOfInput(p)});
    } else {
      for (int64_t panel = panels.first; panel < panels.last; ++panel) {
        updatePanel(p, panel, coefficients, state);
      }
    }
    updateBias(p, columns, coefficients, state);
  };
  forWeights(pool, products, onTile, onPanels);
}

}  // namespace torchvae::cpu
