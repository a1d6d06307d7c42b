#include "kernels/perceptron.h"

#include <algorithm>
#include <type_traits>

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
    if (productBytes(kTiles[tile], kDepthAlongColumns, kDepthAlongColumns) > kMostBytes) return false;
  }
  return stripBytes(kDepthAlongColumns) <= kMostBytes && stripBytes(kDepthAlongRows) <= kMostBytes;
}
static_assert(doAllFit());
static_assert(std::is_trivially_copyable_v<WeightsArguments> && sizeof(WeightsArguments) <= 4096);

}  // namespace

int64_t PerceptronKernels::forwardBlocks(int64_t rows, int64_t columns) const {
  return tilesOf(kTiles[kind_.batchTile], rows, columns);
}

int64_t PerceptronKernels::outputBlocks(int64_t rows, int64_t columns) const {
  return tilesOf(kTiles[kind_.outputTile], rows, columns);
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

const TileShape& PerceptronKernels::tileOf(Name name) const {
  switch (name) {
    case kForward:
    case kBack:
      return kTiles[kind_.batchTile];
    case kOutput:
      return kTiles[kind_.outputTile];
    case kWeights:
      return kTiles[kind_.weightTile];
    default:
      return kTiles[kDeepStrip];
  }
}

int64_t PerceptronKernels::sharedBytes(Name name) const {
  switch (name) {
    case kForward:
    case kOutput:
      return productBytes(tileOf(name), kDepthAlongRows, kDepthAlongColumns);
    case kBack:
      return productBytes(tileOf(name), kDepthAlongRows, kDepthAlongRows);
    case kLatent:
      return stripBytes(kDepthAlongColumns);
    case kLatentBack:
      return stripBytes(kDepthAlongRows);
    default:
      return productBytes(tileOf(name), kDepthAlongColumns, kDepthAlongColumns);
  }
}

KernelKey PerceptronKernels::keyOf(Name name, int64_t optimizer) const {
  static constexpr const char* kNamesOf[] = {"forward", "latent", "output", "back", "latentBack", "weights"};
  if (name == kWeights) {
    return {"weights.cu",
            {{"PRECISION", kind_.precision},
             {"TILE", kind_.weightTile},
             {"VECTOR", kind_.vector},
             {"OPTIMIZER_KIND", optimizer}},
            kNamesOf[name],
            sharedBytes(name)};
  }
  return {"perceptron.cu",
          {{"PRECISION", kind_.precision},
           {"TILE", kind_.batchTile},
           {"OUTPUT_TILE", kind_.outputTile},
           {"VECTOR", kind_.vector},
           {"ENCODER_ACTIVATION", static_cast<int64_t>(kind_.encoder)},
           {"DECODER_ACTIVATION", static_cast<int64_t>(kind_.decoder)},
           {"LIKELIHOOD", static_cast<int64_t>(kind_.likelihood)}},
          kNamesOf[name],
          sharedBytes(name)};
}

template <class Arguments>
void PerceptronKernels::launch(Name name, int64_t blocks, const Arguments& arguments, int64_t optimizer) {
  void*& handle = handles_[{name, optimizer}];
  if (handle == nullptr) handle = part_.kernel(keyOf(name, optimizer));
  part_.launch(handle, {blocks, tileOf(name).threads(), sharedBytes(name), true}, &arguments,
               sizeof arguments);
}

void PerceptronKernels::forward(const ForwardArguments& a) {
  launch(kForward, forwardBlocks(a.rows, a.out), a);
}
void PerceptronKernels::latent(const LatentArguments& a) {
  launch(kLatent, latentBlocks(a.rows, a.slices), a);
}
void PerceptronKernels::output(const OutputArguments& a) {
  launch(kOutput, outputBlocks(a.rows, a.out), a);
}
void PerceptronKernels::back(const BackArguments& a) {
  launch(kBack, forwardBlocks(a.rows, a.in), a);
}
void PerceptronKernels::latentBack(const LatentBackArguments& a) {
  launch(kLatentBack, latentBlocks(a.rows, a.slices) + 1, a);
}
void PerceptronKernels::weights(const WeightsArguments& a, int64_t blocks) {
  launch(kWeights, blocks, a, a.update.kind);
}

}  // namespace torchvae
