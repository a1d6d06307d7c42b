#include "cpu/conv_products.h"

#include <c10/core/CPUAllocator.h>

#include "cpu/transpose.h"
#include "cpu/winograd.h"

namespace torchvae::cpu {
namespace {

// Memory for the time of a call, of which the allocator keeps enough for the next one.
class Floats {
 public:
  explicit Floats(int64_t count)
      : memory_(c10::GetCPUAllocator()->allocate(static_cast<size_t>(count) * sizeof(float))) {}
  float* get() const { return static_cast<float*>(memory_.get()); }

 private:
  c10::DataPtr memory_;
};

void convolveInForm(Pool& pool, const ConvGeometry& g, WinogradUse use, int64_t images, const float* from,
                    const float* weights, const ConvFinish& finish, float* to) {
  const Floats form(kWinogradPlaces * g.smallChannels * g.largeChannels);
  winogradWeights(pool, g, use, weights, form.get());
  winogradConvolve(pool, g, use, images, from, form.get(), finish, to);
}

}  // namespace

ConvProducts::ConvProducts(const ConvGeometry& geometry, bool hasPanels)
    : patches_(makeConvPatches(geometry)), isWinograd_(hasPanels && isWinograd(geometry)) {}

void ConvProducts::toSmall(Pool& pool, int64_t images, const float* large, const float* weights,
                           const ConvFinish& finish, float* small) const {
  const ConvGeometry& g = geometry();
  if (finish.magnitude != nullptr) finish.magnitude->reset();
  if (isWinograd_) {
    return convolveInForm(pool, g, WinogradUse::kToSmall, images, large, weights, finish, small);
  }
  const Floats transposed(g.patchSize() * g.smallChannels);
  transpose(weights, g.patchSize(), g.smallChannels, g.patchSize(), transposed.get(), g.smallChannels);
  patchesToSmall(pool, patches_, images, large, transposed.get(), finish, small);
}

void ConvProducts::toLarge(Pool& pool, int64_t images, const float* small, const float* weights,
                           const ConvFinish& finish, float* large) const {
  if (finish.magnitude != nullptr) finish.magnitude->reset();
  if (isWinograd_) {
    return convolveInForm(pool, geometry(), WinogradUse::kToLarge, images, small, weights, finish, large);
  }
  smallToLarge(pool, patches_, images, small, weights, finish, large);
}

void ConvProducts::weightGradient(Pool& pool, int64_t images, const float* small, const float* large,
                                  float* dweights) const {
  const ConvGeometry& g = geometry();
  if (isWinograd_) {
    const Floats memory(winogradGradientMemory(g, images));
    return winogradWeightGradient(pool, g, images, small, large, memory.get(), dweights);
  }
  const Floats sums(kPartialSums * g.smallChannels * g.patchSize());
  convWeightGradient(pool, patches_, images, small, large, sums.get(), dweights);
}

void ConvProducts::biasGradient(Pool& pool, const float* dy, int64_t images, int64_t pixels, int64_t channels,
                                float* sums) {
  const Floats partial(kPartialSums * channels);
  sumChannels(pool, dy, images, pixels, channels, partial.get(), sums);
}

}  // namespace torchvae::cpu
