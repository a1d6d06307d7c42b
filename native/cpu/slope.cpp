#include "cpu/slope.h"

#include "cpu/activation.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

template <ActivationKind kind>
TORCHVAE_VECTORIZED void multiply(const float* dy, const float* kept, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = dy[i] * activationSlope<kind>(kept[i]);
}

template <ActivationKind kind, bool kSlope>
TORCHVAE_VECTORIZED void apply(const float* x, int64_t count, float* y, float* slope) {
  for (int64_t i = 0; i < count; ++i) {
    const float value = x[i];
    y[i] = activate<kind>(value);
    if constexpr (kSlope) slope[i] = slopeAt<kind>(value, 0.0f);
  }
}

}  // namespace

void applyActivation(ActivationKind activation, const float* x, int64_t count, float* y, float* slope) {
  withActivation(activation, [&](auto kind) {
    slope == nullptr ? apply<kind.value, false>(x, count, y, slope)
                     : apply<kind.value, true>(x, count, y, slope);
  });
}

void multiplyBySlope(ActivationKind activation, const float* dy, const float* kept, int64_t count,
                     float* to) {
  withActivation(activation, [&](auto kind) { multiply<kind.value>(dy, kept, count, to); });
}

}  // namespace torchvae::cpu
