#include "kernels/perceptron.h"

#include <algorithm>
#include <type_traits>

#include "kernels/block.h"

namespace torchvae {
namespace {

using namespace kernels;

int64_t tilesOf(const TileShape& tile, int64_t rows, int64_t columns) {
  return (rows + tile.rows() - 1) / tile.rows() * ((columns + tile.columns() - 1) / tile.columns());
}

// Of the two products that a kernel between the networks makes one after the other.
constexpr int stripBytes(Layout right) {
  const int deep = productBytes(kTiles[kDeepStrip], kDepthAlongRows, right);
  const int wide = productBytes(kTiles[kWideStrip], kDepthAlongRows, right);
  return deep > wide ? deep : wide;
}

// Of weights(): the product, and the tile's second moments.
constexpr int weightBytes(const TileShape& tile) {
  return productBytes(tile, kDepthAlongColumns, kDepthAlongColumns) + 4 * tile.rows() * tile.columns();
}

// With the most stages, where a device gives a block more.
constexpr int kMoreBytes = 128 * 1024;
constexpr bool doMoreStagesFit() {
  for (int tile = 0; tile < kBatchTiles; ++tile) {
    if (productBytes(kTiles[tile], kDepthAlongRows, kDepthAlongColumns, 4, kMostStages) > kMoreBytes ||
        productBytes(kTiles[tile], kDepthAlongRows, kDepthAlongRows, 4, kMostStages) > kMoreBytes) {
      return false;
    }
  }
  return true;
}
static_assert(doMoreStagesFit());

// Devices of capability 8.6 and 12.0 give a block the least, 99 KiB; 1 KiB is for what kernels declare.
constexpr int kMostBytes = 98 * 1024;
constexpr bool doAllFit() {
  for (int tile = 0; tile < kBatchTiles; ++tile) {
    if (productBytes(kTiles[tile], kDepthAlongRows, kDepthAlongColumns) > kMostBytes ||
        productBytes(kTiles[tile], kDepthAlongRows, kDepthAlongRows) > kMostBytes) {
      return false;
    }
  }
  for (int tile = kFirstWeightTile; tile < kFirstWeightTile + kWeightTiles; ++tile) {
    if (weightBytes(kTiles[tile]) > kMostBytes) return false;
  }
  return stripBytes(kDepthAlongColumns) <= kMostBytes && stripBytes(kDepthAlongRows) <= kMostBytes;
}
static_assert(doAllFit());
static_assert(std::is_trivially_copyable_v<WeightsArguments> && sizeof(WeightsArguments) <= 4096);

int64_t inFours(int64_t floats) {
  return (floats + 3) / 4 * 4;
}

// Of forward(): a layer's product, and behind it what its part of a head of `headSize` is made of.
int64_t forwardBytes(const TileShape& tile, int stages, int64_t headSize) {
  const int64_t product = productBytes(tile, kDepthAlongRows, kDepthAlongColumns, 4, stages);
  if (headSize == 0) return product;
  return product + 4 * (tile.rows() * (tile.columns() + 4) + tile.columns() * inFours(headSize));
}

// Of latentRows(), without what it stages of weights: parts and sums of the head, noise, z.
int64_t latentRowsBytes(int64_t blockRows, int64_t slices, int64_t latent, int64_t in) {
  return 4 * (inFours(blockRows * slices * 2 * latent) + blockRows * (3 * latent + in));
}

// Of latentRowsBack(), without what it stages: deltas of the layer above, `out` wide, and of the head.
int64_t latentRowsBackBytes(int64_t blockRows, int64_t out, int64_t latent) {
  return 4 * blockRows * (inFours(out) + inFours(2 * latent));
}

// With this much for a block the kernel before, and the one behind it, find room beside it.
constexpr int64_t kMostStaged = 112 * 1024;

}  // namespace

int stagesFor(int64_t bytes) {
  return bytes >= kMoreBytes ? kMostStages : kStages;
}

bool haveRowsRoom(const PerceptronKind& kind, int64_t last, int64_t latent, int64_t in, int64_t first,
                  int64_t bytes) {
  const TileShape& tile = kTiles[kind.batchTile];
  const int64_t slices = tilesOf(tile, 1, last);
  return forwardBytes(tile, kind.stages, 2 * latent) <= bytes &&
         latentRowsBytes(kind.blockRows, slices, latent, in) <= bytes &&
         latentRowsBackBytes(kind.blockRows, first, latent) <= bytes;
}

int64_t PerceptronKernels::forwardBlocks(int64_t rows, int64_t columns) const {
  return tilesOf(kTiles[kind_.batchTile], rows, columns);
}

int64_t PerceptronKernels::outputBlocks(int64_t rows, int64_t columns) const {
  if (!hasOutputBack()) return tilesOf(kTiles[kind_.outputTile], rows, columns);
  const OutputBackShape shape{kind_.rowTiles, kind_.outTiles, 0};
  return (rows + shape.rows() - 1) / shape.rows() * ((columns + shape.columns() - 1) / shape.columns());
}

int64_t PerceptronKernels::rowBlocks(int64_t rows) const {
  return (rows + kind_.blockRows - 1) / kind_.blockRows;
}

int64_t PerceptronKernels::mostStaged() const {
  return std::min<int64_t>(kMostStaged, 4 * sharedFloatsOf(part_.capability()));
}

int64_t PerceptronKernels::slices(int64_t rows, int64_t width) const {
  constexpr int64_t kEnough = 256;  // blocks for a large device
  const int64_t tiles = tilesOf(kTiles[kWideStrip], 1, width);
  return std::clamp<int64_t>(kEnough / latentBlocks(rows, 1), 1, std::max<int64_t>(1, tiles));
}

int64_t PerceptronKernels::latentBlocks(int64_t rows, int64_t slices) const {
  return (rows + kStripRows - 1) / kStripRows * slices;
}

int64_t PerceptronKernels::weightBlocks(int64_t in, int64_t out) const {
  return tilesOf(kTiles[kind_.weightTile], in, out);
}

int64_t PerceptronKernels::outputTiles(int64_t columns) const {
  return outputBlocks(1, columns);
}

KernelKey PerceptronKernels::keyOf(Name name, int64_t optimizer) const {
  static constexpr const char* kNamesOf[] = {"forward",    "latent",         "latentRows",
                                             "output",     "outputBack",     "back",
                                             "latentBack", "latentRowsBack", "weights"};
  // Models of any size share a function: it is given what the largest takes.
  const int64_t bytes = 4 * sharedFloatsOf(part_.capability());
  if (name == kWeights) {
    return {"weights.cu",
            {{"PRECISION", kind_.precision},
             {"TILE", kind_.weightTile},
             {"VECTOR", kind_.vector},
             {"OPTIMIZER_KIND", optimizer}},
            kNamesOf[name],
            bytes};
  }
  return {"perceptron.cu",
          {{"PRECISION", kind_.precision},
           {"TILE", kind_.batchTile},
           {"OUTPUT_TILE", kind_.outputTile},
           {"VECTOR", kind_.vector},
           {"ENCODER_ACTIVATION", static_cast<int64_t>(kind_.encoder)},
           {"DECODER_ACTIVATION", static_cast<int64_t>(kind_.decoder)},
           {"LIKELIHOOD", static_cast<int64_t>(kind_.likelihood)},
           {"STAGES", kind_.stages},
           {"BLOCK_ROWS", kind_.blockRows},
           {"ROW_TILES", kind_.rowTiles},
           {"OUT_TILES", kind_.outTiles}},
          kNamesOf[name],
          bytes};
}

template <class Arguments>
void PerceptronKernels::launch(Name name, int64_t blocks, int threads, int64_t bytes,
                               const Arguments& arguments, int64_t optimizer) {
  void*& handle = handles_[{name, optimizer}];
  if (handle == nullptr) handle = part_.kernel(keyOf(name, optimizer));
  part_.launch(handle, {blocks, threads, bytes, true}, &arguments, sizeof arguments);
}

void PerceptronKernels::forward(const ForwardArguments& a) {
  const TileShape& tile = kTiles[kind_.batchTile];
  launch(kForward, forwardBlocks(a.rows, a.out), tile.threads(),
         forwardBytes(tile, kind_.stages, a.heads != nullptr ? a.headSize : 0), a);
}
void PerceptronKernels::latent(const LatentArguments& a) {
  launch(kLatent, latentBlocks(a.rows, a.slices), kStripThreads, stripBytes(kDepthAlongColumns), a);
}
void PerceptronKernels::latentRows(LatentRowsArguments a) {
  const int64_t own = latentRowsBytes(kind_.blockRows, a.slices, a.latent, a.hidden.in);
  const int64_t weights = int64_t{a.hidden.in} * a.hidden.out;
  const int64_t staged = own + 4 * inFours(weights) <= mostStaged() ? weights : 0;
  a.staged = static_cast<int32_t>(staged);
  launch(kLatentRows, rowBlocks(a.rows), kRowThreads, own + 4 * inFours(staged), a);
}
void PerceptronKernels::output(const OutputArguments& a) {
  const TileShape& tile = kTiles[kind_.outputTile];
  launch(kOutput, outputBlocks(a.rows, a.out), tile.threads(), forwardBytes(tile, kind_.stages, 0), a);
}
void PerceptronKernels::outputBack(const OutputBackArguments& a) {
  launch(kOutputBack, outputBlocks(a.output.rows, a.output.out), kOutputBackThreads,
         OutputBackShape{kind_.rowTiles, kind_.outTiles, a.output.in}.bytes(), a);
}
void PerceptronKernels::back(const BackArguments& a) {
  const TileShape& tile = kTiles[kind_.batchTile];
  launch(kBack, forwardBlocks(a.rows, a.in), tile.threads(),
         productBytes(tile, kDepthAlongRows, kDepthAlongRows, 4, kind_.stages), a);
}
void PerceptronKernels::latentBack(const LatentBackArguments& a) {
  launch(kLatentBack, latentBlocks(a.rows, a.slices) + 1, kStripThreads, stripBytes(kDepthAlongRows), a);
}
void PerceptronKernels::latentRowsBack(LatentRowsBackArguments a) {
  const LatentBackArguments& between = a.between;
  const int64_t own = latentRowsBackBytes(kind_.blockRows, between.out, between.latent);
  const int64_t staged = 4 * (between.latent * inFours(between.out) +
                              int64_t{between.hidden.in} * strideOfFours(between.hidden.out));
  a.staged = own + staged <= mostStaged() ? 1 : 0;
  launch(kLatentRowsBack, rowBlocks(between.rows) + 1 + a.loadBlocks, kRowThreads,
         own + (a.staged != 0 ? staged : 0), a);
}
void PerceptronKernels::weights(const WeightsArguments& a, int64_t blocks) {
  const TileShape& tile = kTiles[kind_.weightTile];
  launch(kWeights, blocks, tile.threads(), weightBytes(tile), a, a.update.kind);
}

}  // namespace torchvae
