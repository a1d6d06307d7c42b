#include "cpu/conv_finish.h"

#include "cpu/activation.h"

namespace torchvae::cpu {
namespace {

template <ActivationKind kind>
TORCHVAE_VECTORIZED void finishValues(const ConvFinish& finish, int64_t image, float* values, int64_t pixels,
                                      int64_t channels) {
  if (finish.kept != nullptr) {
    const float* kept = finish.kept + image * pixels * channels;
    for (int64_t i = 0; i < pixels * channels; ++i) values[i] *= activationSlope<kind>(kept[i]);
    return;
  }
  for (int64_t p = 0; p < pixels; ++p) {
    float* pixel = values + p * channels;
    if (finish.bias != nullptr) {
      for (int64_t c = 0; c < channels; ++c) pixel[c] += finish.bias[c];
    }
  }
  if (finish.added != nullptr) {
    const float* added = finish.added + image * pixels * channels;
    for (int64_t i = 0; i < pixels * channels; ++i) values[i] += added[i];
  }
  if constexpr (keptOf(kind) == KeptOf::kSlope) {
    if (finish.slope != nullptr) {
      float* slope = finish.slope + image * pixels * channels;
      for (int64_t i = 0; i < pixels * channels; ++i) slope[i] = slopeAt<kind>(values[i], 0.0f);
    }
  }
  for (int64_t i = 0; i < pixels * channels; ++i) values[i] = activate<kind>(values[i]);
}

}  // namespace

void finishImage(const ConvFinish& finish, int64_t image, float* values, int64_t pixels, int64_t channels) {
  withActivation(finish.activation,
                 [&](auto kind) { finishValues<kind.value>(finish, image, values, pixels, channels); });
  if (finish.magnitude == nullptr) return;
  finish.magnitude->include(largestMagnitudeBits(values, 1, pixels * channels, 0));
}

}  // namespace torchvae::cpu
