#include "fused/perceptron_tiles.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "fused/coverage.h"
#include "fused/fixed_likelihood.h"
#include "kernels/block.h"
#include "kernels/sizes.h"

namespace torchvae::fused {
namespace {

using namespace kernels;

using Sizes = std::vector<std::pair<int64_t, int64_t>>;  // of matrices

// Tiles that cover all of them.
int64_t tilesOf(const TileShape& tile, const Sizes& sizes) {
  int64_t tiles = 0;
  for (const auto& [rows, columns] : sizes)
    tiles += ceilDiv(rows, tile.rows()) * ceilDiv(columns, tile.columns());
  return tiles;
}

// The multiprocessors of a large device.
constexpr int64_t kMultiprocessors = 132;

// The smallest tile of which each of these products, one at a time, gives no multiprocessor a second.
int batchTileFor(int64_t rows, const std::vector<int64_t>& widths) {
  const auto isFew = [&](int tile) {
    return std::ranges::all_of(widths, [&](int64_t width) {
      return tilesOf(kTiles[tile], {{rows, width}}) <= kMultiprocessors;
    });
  };
  int tile = 0;
  while (tile + 1 < kBatchTiles && !isFew(tile)) ++tile;
  return tile;
}

// The largest tile of which the layers, all at once, have enough.
int weightTileFor(const Sizes& layers) {
  int tile = kFirstWeightTile + kWeightTiles - 1;
  while (tile > kFirstWeightTile && tilesOf(kTiles[tile], layers) < kMultiprocessors) --tile;
  return tile;
}

// The fewest rows for a block with which no multiprocessor gets a second block.
int blockRowsFor(int64_t rows) {
  int blockRows = 1;
  while (blockRows < 8 && ceilDiv(rows, blockRows) > kMultiprocessors) blockRows *= 2;
  return blockRows;
}

// The quickest tile of outputBack() for a layer [in, out] that has room in `bytes` of shared memory, by what
// a block multiplies, and what it copies, in waves of blocks; none where no tile has room.
void chooseOutputBack(PerceptronKind& kind, int64_t rows, int64_t in, int64_t out, int64_t bytes) {
  int64_t least = std::numeric_limits<int64_t>::max();
  for (const int rowTiles : {1, 2, 4}) {
    for (const int outTiles : {2, 4, 6, 7, 8}) {
      // bf16 is multiplied sixteen at a time.
      if (kind.precision == kBf16 && outTiles % 2 != 0) continue;
      const OutputBackShape shape{rowTiles, outTiles, static_cast<int>(in)};
      if (shape.bytes() > bytes) continue;
      const int64_t blocks = ceilDiv(rows, shape.rows()) * ceilDiv(out, shape.columns());
      const int64_t cost =
          ceilDiv(blocks, kMultiprocessors) * (2 * rowTiles * outTiles + 2 * rowTiles + outTiles);
      if (cost >= least) continue;
      least = cost;
      kind.rowTiles = rowTiles;
      kind.outTiles = outTiles;
    }
  }
}

// Whole rows go between the networks where batches and codes are small, and both networks have hidden layers:
// the one before leaves the head in parts, the one behind takes z.
void chooseRows(PerceptronKind& kind, const VaePlan& plan, const ModelSpec& spec, int64_t rows,
                int64_t bytes) {
  constexpr int64_t kMostRows = 1024, kMostLatent = 64;
  if (plan.encoder.empty() || plan.decoder.size() < 2) return;
  if (rows > kMostRows || spec.latentSize > kMostLatent || asksForStrips()) return;
  const DenseSlots& first = slotsOf(plan.decoder.front());
  kind.blockRows = blockRowsFor(rows);
  if (!haveRowsRoom(kind, slotsOf(plan.encoder.back()).out, spec.latentSize, first.in, first.out, bytes)) {
    kind.blockRows = 0;
    return;
  }
  const DenseSlots& last = slotsOf(plan.decoder.back());
  if (plan.decoder.size() == 2) chooseOutputBack(kind, rows, last.in, last.out, bytes);
}

}  // namespace

const DenseSlots& slotsOf(const LayerPlan& plan) {
  return std::get<DensePlan>(plan.layer).slots;
}

PerceptronKind perceptronKind(const Context& context, const VaePlan& plan, const ModelSpec& spec,
                              int64_t capacity) {
  Sizes layers{{plan.head.in, plan.head.out}};
  std::vector<int64_t> hidden;
  for (const NetworkPlan* network : {&plan.encoder, &plan.decoder}) {
    for (const LayerPlan& layer : *network) {
      layers.emplace_back(slotsOf(layer).in, slotsOf(layer).out);
      hidden.push_back(slotsOf(layer).out);
    }
  }
  const int64_t output = hidden.back();
  hidden.pop_back();
  const bool isAligned = std::ranges::all_of(layers, [](const auto& layer) { return layer.second % 4 == 0; });
  const int64_t bytes = 4 * sharedFloatsOf(context.kernels->part().capability());
  PerceptronKind kind{precisionOf(context),
                      spec.encoder.activation,
                      spec.decoder.activation,
                      FixedLikelihood(spec).kind(),
                      batchTileFor(capacity, hidden),
                      batchTileFor(capacity, {output}),
                      weightTileFor(layers),
                      stagesFor(bytes),
                      isAligned ? 4 : 1};
  chooseRows(kind, plan, spec, capacity, bytes);
  return kind;
}

}  // namespace torchvae::fused
