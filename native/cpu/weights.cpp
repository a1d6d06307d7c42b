#include "cpu/weights.h"

#include "cpu/adam_tiles.h"
#include "cpu/lane_sum.h"
#include "cpu/tiles.h"

namespace torchvae::cpu {
namespace {

// Sixteen whole rows of a weight matrix, where these are not too long: one unbroken stretch of the
// optimiser's memory, which the processor reads ahead by itself.
constexpr int64_t kTileRows = 16;
constexpr int64_t kTileColumns = 1024;

Tiles tilesOf(const WeightProduct& product) {
  return {product.in, product.out, kTileRows, std::min(product.out, kTileColumns)};
}

// Calls body(product, tile) for the tiles of all products.
template <class Body>
void forWeightTiles(Pool& pool, const std::vector<WeightProduct>& products, const Body& body) {
  int64_t total = 0;
  for (const WeightProduct& product : products) total += tilesOf(product).count();
  pool.run(total, [&](int64_t index) {
    int64_t within = index;
    const WeightProduct* product = products.data();
    for (int64_t count; within >= (count = tilesOf(*product).count()); ++product) within -= count;
    body(*product, tileAt(tilesOf(*product), within));
  });
}

void multiplyTile(const WeightProduct& p, const Tile& t, int64_t rows, float* dw, int64_t stride) {
  if (p.dyPairs.to != nullptr) {
    multiplyBf16(t.rows(), t.columns(), even(rows), p.xTRounded.to + t.m0 * p.xTRounded.stride,
                 p.xTRounded.stride, p.dyPairs.to + 2 * t.n0, p.out, dw, stride);
    return;
  }
  multiply(t.rows(), t.columns(), rows, p.xT + t.m0 * p.capacity, p.capacity, p.dy + t.n0, p.out, dw, stride);
}

// sums[j] for columns n0 <= j < n1 of dy, the first at sums[0].
TORCHVAE_VECTORISED void sumValues(const WeightProduct& p, const Tile& t, int64_t rows, float* sums) {
  const int64_t columns = t.columns();
  for (int64_t j = 0; j < columns; ++j) sums[j] = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const float* row = p.dy + i * p.out + t.n0;
    for (int64_t j = 0; j < columns; ++j) sums[j] += row[j];
  }
}

void sumColumns(const WeightProduct& p, const Tile& t, int64_t rows, float* sums) {
  if (p.dyPairs.to != nullptr) {
    sumPairedColumns(p.dyPairs.to + 2 * t.n0, p.dyPairs.stride, rows, t.columns(), sums);
  } else {
    sumValues(p, t, rows, sums);
  }
}

// The bias's part that belongs to the tile's columns.
void updateBias(const WeightProduct& p, const Tile& t, int64_t rows,
                const OptimiserCoefficients& coefficients, const OptimiserState& state) {
  alignas(64) float gradient[kTileColumns];
  for (int64_t from = t.n0; from < t.n1; from += kTileColumns) {
    const Tile part{0, 0, from, std::min(from + kTileColumns, t.n1)};
    const int64_t at = p.bias + from;
    sumColumns(p, part, rows, gradient);
    optimiserUpdate(coefficients, gradient, state.first + at, state.second + at, state.values + at,
                    part.columns());
  }
}

void updateByTiles(Pool& pool, const std::vector<WeightProduct>& products, int64_t rows,
                   const OptimiserCoefficients& coefficients, const OptimiserState& state) {
  forWeightTiles(pool, products, [&](const WeightProduct& p, const Tile& t) {
    alignas(64) float gradient[kTileRows * kTileColumns];
    const int64_t offset = p.weight + t.m0 * p.out + t.n0;
    multiplyTile(p, t, rows, gradient, t.columns());
    for (int64_t i = 0; i < t.rows(); ++i) {
      const int64_t at = offset + i * p.out;
      optimiserUpdate(coefficients, gradient + i * t.columns(), state.first + at, state.second + at,
                      state.values + at, t.columns());
    }
    if (state.rounded != nullptr) {
      const Bf16Places places{
          {state.rounded + p.weight, p.out}, {state.paired + p.weight, 2 * p.out}, {}, {}};
      roundTile(state.values + offset, p.out, t.rows(), t.columns(), placesAt(places, t.m0, t.n0));
    }
    if (t.m0 == 0) updateBias(p, t, rows, coefficients, state);
  });
}

// Rows of a strip, at the width of one thread's columns.
constexpr int64_t kStripRows = 48;

int64_t stripsOf(const WeightProduct& product) {
  return (product.in + kStripRows - 1) / kStripRows;
}

// Each thread updates the columns that it multiplies by in the next step's forward pass
// (forTilesByColumns()): a line that two cores have read takes several times as long to write as one that
// nobody else has.
void updateByStrips(Pool& pool, const std::vector<WeightProduct>& products, int64_t rows,
                    const OptimiserCoefficients& coefficients, const OptimiserState& state) {
  int64_t each = 0;
  for (const WeightProduct& product : products) each += stripsOf(product);
  const int64_t shares = pool.threads();
  pool.run(shares * each, [&](int64_t index) {
    int64_t within = index % each;
    const WeightProduct* product = products.data();
    for (int64_t count; within >= (count = stripsOf(*product)); ++product) within -= count;
    const WeightProduct& p = *product;
    const auto [n0, n1] = columnsOf(p.out, index / each, shares);
    if (n0 == n1) return;
    const Tile t{within * kStripRows, std::min((within + 1) * kStripRows, p.in), n0, n1};
    updateStrip(coefficients, {p.x, p.dy, p.in, p.out, rows, t.m0, t.m1, t.n0, t.n1, state.first + p.weight,
                               state.second + p.weight, state.values + p.weight});
    if (t.m0 == 0) updateBias(p, t, rows, coefficients, state);
  });
}

}  // namespace

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

void weightGradients(Pool& pool, const std::vector<WeightProduct>& products, int64_t rows, float* gradients) {
  forWeightTiles(pool, products, [&](const WeightProduct& p, const Tile& t) {
    multiplyTile(p, t, rows, gradients + p.weight + t.m0 * p.out + t.n0, p.out);
    if (t.m0 == 0) sumColumns(p, t, rows, gradients + p.bias + t.n0);
  });
}

void updateWeights(Pool& pool, const std::vector<WeightProduct>& products, int64_t rows,
                   const OptimiserCoefficients& coefficients, const OptimiserState& state) {
  if (state.rounded == nullptr && hasAdamStrips(coefficients, rows)) {
    updateByStrips(pool, products, rows, coefficients, state);
  } else {
    updateByTiles(pool, products, rows, coefficients, state);
  }
}

}  // namespace torchvae::cpu
