#include "cpu/conv_products.h"

#include <vector>

#include "cpu/transpose.h"
#include "cpu/winograd.h"

namespace torchvae::cpu {
namespace {

// Memory of the thread that calls, which one layer uses and the next one uses again.
enum class Scratch : uint8_t { kWeights, kSums };

float* scratch(Scratch use, int64_t count) {
  thread_local std::vector<float> buffers[2];
  std::vector<float>& buffer = buffers[static_cast<size_t>(use)];
  if (buffer.size() < static_cast<size_t>(count)) buffer.resize(static_cast<size_t>(count));
  return buffer.data();
}

const float* formOf(Pool& pool, const ConvGeometry& g, WinogradUse use, const float* weights) {
  float* form = scratch(Scratch::kWeights, kWinogradPlaces * g.smallChannels * g.largeChannels);
  winogradWeights(pool, g, use, weights, form);
  return form;
}

}  // namespace

ConvProducts::ConvProducts(const ConvGeometry& geometry, bool hasPanels)
    : patches_(makeConvPatches(geometry)), isWinograd_(hasPanels && isWinograd(geometry)) {}

void ConvProducts::toSmall(Pool& pool, int64_t images, const float* large, const float* weights,
                           const ConvFinish& finish, float* small, Magnitude& magnitude) const {
  const ConvGeometry& g = geometry();
  if (isWinograd_) {
    constexpr WinogradUse kUse = WinogradUse::kToSmall;
    return winogradConvolve(pool, g, kUse, images, large, formOf(pool, g, kUse, weights), finish, small,
                            magnitude);
  }
  float* transposed = scratch(Scratch::kWeights, g.patchSize() * g.smallChannels);
  transpose(weights, g.patchSize(), g.smallChannels, g.patchSize(), transposed, g.smallChannels);
  patchesToSmall(pool, patches_, images, large, transposed, finish, small, magnitude);
}

void ConvProducts::toLarge(Pool& pool, int64_t images, const float* small, const float* weights,
                           const ConvFinish& finish, float* large, Magnitude& magnitude) const {
  const ConvGeometry& g = geometry();
  if (!isWinograd_) return smallToLarge(pool, patches_, images, small, weights, finish, large, magnitude);
  constexpr WinogradUse kUse = WinogradUse::kToLarge;
  winogradConvolve(pool, g, kUse, images, small, formOf(pool, g, kUse, weights), finish, large, magnitude);
}

void ConvProducts::weightGradient(Pool& pool, int64_t images, const float* small, const float* large,
                                  float* dweights) const {
  const ConvGeometry& g = geometry();
  if (isWinograd_) {
    float* sums = scratch(Scratch::kSums, winogradPartialSize(g));
    return winogradWeightGradient(pool, g, images, small, large, sums, dweights);
  }
  float* sums = scratch(Scratch::kSums, kPartialSums * g.smallChannels * g.patchSize());
  convWeightGradient(pool, patches_, images, small, large, sums, dweights);
}

void ConvProducts::biasGradient(Pool& pool, const float* dy, int64_t images, int64_t pixels, int64_t channels,
                                float* sums) {
  sumChannels(pool, dy, images, pixels, channels, scratch(Scratch::kSums, kPartialSums * channels), sums);
}

}  // namespace torchvae::cpu
