#include "cpu/slope.h"

#include "cpu/activation.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

template <ActivationKind kind>
TORCHVAE_VECTORIZED void multiply(const float* dy, const float* kept, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = dy[i] * activationSlope<kind>(kept[i]);
}

}  // namespace

void multiplyBySlope(ActivationKind activation, const float* dy, const float* kept, int64_t count,
                     float* to) {
  withActivation(activation, [&](auto kind) { multiply<kind.value>(dy, kept, count, to); });
}

}  // namespace torchvae::cpu
