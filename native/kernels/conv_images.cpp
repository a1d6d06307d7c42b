#include "kernels/conv_images.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "kernels/pointers.h"
#include "kernels/sizes.h"
#include "kernels/tiles.h"

namespace torchvae {
namespace {

using namespace kernels;

static_assert(std::is_trivially_copyable_v<ConvImagesArguments>);

// Values of neighboring channels that a copy takes: 16 bytes of them, where those of a pixel are so many.
int vectorOf(Precision precision, int64_t channels) {
  const int vector = 16 / bytesOf(precision);
  return channels % vector == 0 ? vector : 1;
}

// Of channels that whole tiles are not much wider than, from the largest on.
constexpr std::array<int, 2> kTilesOfFew{kImageTile, 2};  // 128 x 32, 64 x 32
constexpr std::array<int, 3> kTilesOfMany{4, 3, 2};       // 128 x 64, 64 x 64, 64 x 32

int64_t sortsOf(const ConvImagesArguments& a, ConvImages::Way way) {
  return way == ConvImages::Way::kUp ? a.stride * a.stride : 1;
}

// Tiles of pixels, at least.
int64_t linesOf(const ConvImagesArguments& a, ConvImages::Way way, const TileShape& shape) {
  const int64_t pixels = int64_t{a.rows} * a.madeHeight * a.madeWidth;
  return std::max<int64_t>(sortsOf(a, way), ceilDiv(pixels, shape.rows()));
}

// The largest tile that gives every multiprocessor of a large device a block.
template <size_t kCount>
int largestOf(const std::array<int, kCount>& tiles, const ConvImagesArguments& a, ConvImages::Way way) {
  constexpr int64_t kMultiprocessors = 132;
  for (const int tile : tiles) {
    const TileShape& shape = kTiles[tile];
    if (linesOf(a, way, shape) * ceilDiv(a.madeChannels, shape.columns()) >= kMultiprocessors) return tile;
  }
  return tiles.back();
}

int tileFor(const ConvImagesArguments& a, ConvImages::Way way) {
  if (a.madeChannels <= kTiles[kNarrowImageTile].columns()) return kNarrowImageTile;
  return a.madeChannels <= kTiles[kImageTile].columns() ? largestOf(kTilesOfFew, a, way)
                                                        : largestOf(kTilesOfMany, a, way);
}

}  // namespace

bool ConvImages::serves(Precision precision, const cpu::ConvGeometry& g) {
  // The kernel keeps lines and columns in 16 bits.
  constexpr int64_t kLongest = 1 << 14;
  if (g.kernel < g.stride || std::max({g.largeHeight, g.largeWidth, g.kernel}) > kLongest) return false;
  const int vector = 16 / bytesOf(precision);
  // As for weights (conv.cpp): the library's rounded products of many channels are as fast.
  constexpr int64_t kFewChannels = 16;
  if (precision != kFloat32 && g.largeChannels > kFewChannels) return false;
  return precision != kBf16 || (g.largeChannels % vector == 0 && g.smallChannels % vector == 0);
}

void ConvImages::make(const at::Tensor& images, const at::Tensor& weight, const at::Tensor& bias,
                      ActivationKind kind, int64_t rows, const at::Tensor& made, const at::Tensor& slope) {
  ConvImagesArguments a{};
  a.images = images.const_data_ptr();
  a.weights = weight.const_data_ptr();
  a.bias = mutablePointer(bias);
  a.made = mutablePointer(made);
  a.slope = mutablePointer(slope);
  a.rows = narrow(rows);
  launch(a, kind);
}

void ConvImages::makeGradient(const at::Tensor& gradients, const at::Tensor& weight, ActivationKind madeX,
                              const at::Tensor& kept, int64_t rows, const at::Tensor& gradient,
                              ColumnSums& sums) {
  ConvImagesArguments a{};
  a.images = gradients.const_data_ptr();
  a.weights = weight.const_data_ptr();
  if (madeX != ActivationKind::kIdentity) a.kept = mutablePointer(kept);
  a.made = mutablePointer(gradient);
  a.sums = static_cast<float*>(mutablePointer(sums.parts));
  a.isGradient = 1;
  a.rows = narrow(rows);
  launch(a, madeX);
  sums.lines = a.lines;
}

void ConvImages::launch(ConvImagesArguments& a, ActivationKind kind) {
  const cpu::ConvGeometry& g = geometry_;
  const bool isUp = way_ == Way::kUp;
  const std::array<int64_t, 3> large{g.largeHeight, g.largeWidth, g.largeChannels};
  const std::array<int64_t, 3> small{g.smallHeight, g.smallWidth, g.smallChannels};
  const auto& [height, width, channels] = isUp ? small : large;
  const auto& [madeHeight, madeWidth, madeChannels] = isUp ? large : small;
  a.height = narrow(height);
  a.width = narrow(width);
  a.channels = narrow(channels);
  a.madeHeight = narrow(madeHeight);
  a.madeWidth = narrow(madeWidth);
  a.madeChannels = narrow(madeChannels);
  a.kernel = narrow(g.kernel);
  a.stride = narrow(g.stride);
  a.padding = narrow(g.padding);
  const int tile = tileFor(a, way_);
  const TileShape& shape = kTiles[tile];
  const int bytes =
      productBytes(shape, kDepthAlongRows, isUp ? kDepthAlongColumns : kDepthAlongRows, bytesOf(precision_));
  if (kernel_ == nullptr || tile != tile_ || kind != kind_) {
    tile_ = tile;
    kind_ = kind;
    kernel_ = part_.kernel({"conv_images.cu",
                            {{"PRECISION", precision_},
                             {"TILE", tile},
                             {"VECTOR", vectorOf(precision_, a.channels)},
                             {"WEIGHT_VECTOR", vectorOf(precision_, g.largeChannels)},
                             {"GROUP", madeChannels % 4 == 0 ? 4 : 1},
                             {"ACTIVATION_KIND", static_cast<int64_t>(kind)},
                             {"UP", isUp ? 1 : 0}},
                            "convImages",
                            bytes});
  }
  a.lines = narrow(std::min<int64_t>(linesOf(a, way_, shape), Kernels::kMostSums));
  part_.launch(kernel_, {a.lines * ceilDiv(madeChannels, shape.columns()), shape.threads(), bytes, true}, &a,
               sizeof a);
}

}  // namespace torchvae
