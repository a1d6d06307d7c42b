#include "kernels/conv.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <type_traits>

#include "kernels/conv_arguments.h"
#include "kernels/sizes.h"
#include "kernels/tiles.h"

namespace torchvae {
namespace {

using namespace kernels;

// Values that a copy takes: 16 bytes of them, where those of a pixel are so many.
int vectorOf(Precision precision, const cpu::ConvGeometry& g) {
  const int vector = 16 / bytesOf(precision);
  return g.largeChannels % vector == 0 ? vector : 1;
}

// The tile of the weights [small channels, patch] that holds the fewest places beyond them, of those the
// largest.
int tileFor(Precision precision, const cpu::ConvGeometry& g) {
  const auto covered = [&](int tile) {
    const TileShape& shape = kTiles[tile];
    return ceilDiv(g.smallChannels, shape.rows()) * shape.rows() * ceilDiv(g.patchSize(), shape.columns()) *
           shape.columns();
  };
  int best = kFirstWeightTile;
  for (int tile = best + 1; tile < kFirstWeightTile + kWeightTiles; ++tile) {
    if (covered(tile) <= covered(best)) best = tile;
  }
  // The patches are read as often as there are tiles above each other, the small images as often as there are
  // tiles beside each other.
  if (vectorOf(precision, g) > 1 && covered(kPatchTile) <= covered(best) && g.smallChannels <= 32)
    best = kPatchTile;
  return best;
}

constexpr int64_t kBlocks = 264;          // two for every multiprocessor of a large device
constexpr int64_t kMostValues = 1 << 20;  // of all cuts
constexpr int kFewestChunks = 4;          // of a cut

static_assert(std::is_trivially_copyable_v<ConvWeightsArguments>);

}  // namespace

bool ConvWeights::serves(Precision precision, const cpu::ConvGeometry& g) {
  const int vector = 16 / bytesOf(precision);
  if (g.smallChannels % vector != 0) return false;
  // For many channels the library's rounded products are as fast. Its exact ones are slow where they have to
  // be the same in every run.
  constexpr int64_t kFewChannels = 16;
  if (precision != kFloat32 && g.largeChannels > kFewChannels) return false;
  return precision != kBf16 || g.largeChannels % vector == 0;
}

ConvWeights::ConvWeights(CudaPart& part, Precision precision, const cpu::ConvGeometry& geometry,
                         int64_t capacity, const at::TensorOptions& options)
    : part_(part), precision_(precision), geometry_(geometry), tile_(tileFor(precision, geometry)) {
  const int64_t pixels = capacity * geometry.places();
  const int64_t weights = geometry.smallChannels * geometry.patchSize();
  const int64_t chunk = kTiles[tile_].chunk;
  const int64_t wanted = std::clamp<int64_t>(std::min(kBlocks / tiles(), kMostValues / weights), 1,
                                             std::max<int64_t>(1, pixels / (chunk * kFewestChunks)));
  cutPixels_ = ceilDiv(ceilDiv(pixels, wanted), chunk) * chunk;
  parts_ = at::zeros({cuts(capacity), weights}, options);
}

int64_t ConvWeights::tiles() const {
  const TileShape& shape = kTiles[tile_];
  return ceilDiv(geometry_.smallChannels, shape.rows()) * ceilDiv(geometry_.patchSize(), shape.columns());
}

int64_t ConvWeights::cuts(int64_t rows) const {
  return ceilDiv(rows * geometry_.places(), cutPixels_);
}

void ConvWeights::gradient(const at::Tensor& small, const at::Tensor& large, int64_t rows) {
  const cpu::ConvGeometry& g = geometry_;
  const TileShape& shape = kTiles[tile_];
  const int bytes = productBytes(shape, kDepthAlongColumns, kDepthAlongColumns, bytesOf(precision_));
  if (kernel_ == nullptr) {
    kernel_ = part_.kernel({"conv.cu",
                            {{"PRECISION", precision_}, {"TILE", tile_}, {"VECTOR", vectorOf(precision_, g)}},
                            "convWeights",
                            bytes});
  }
  const ConvWeightsArguments a{small.const_data_ptr(),
                               large.const_data_ptr(),
                               parts_.mutable_data_ptr<float>(),
                               narrow(rows),
                               narrow(g.smallHeight),
                               narrow(g.smallWidth),
                               narrow(g.smallChannels),
                               narrow(g.largeHeight),
                               narrow(g.largeWidth),
                               narrow(g.largeChannels),
                               narrow(g.kernel),
                               narrow(g.stride),
                               narrow(g.padding),
                               narrow(cutPixels_)};
  part_.launch(kernel_, {cuts(rows) * tiles(), shape.threads(), bytes, true}, &a, sizeof a);
}

}  // namespace torchvae
