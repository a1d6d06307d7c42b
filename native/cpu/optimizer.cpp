#include "cpu/optimizer.h"

#include <cmath>

#include "cpu/adam_sixteen.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

template <bool kShaped>
TORCHVAE_INLINE float shape(const OptimizerCoefficients& c, float g, float value) {
  if constexpr (!kShaped) return g;
  g *= c.scale;
  g = g < -c.limit ? -c.limit : g;
  g = g > c.limit ? c.limit : g;
  const float sign = value > 0 ? 1.0f : value < 0 ? -1.0f : 0.0f;
  return g + c.decay * value + c.l1 * sign;
}

template <OptimizerKind kind, bool kShaped>
TORCHVAE_VECTORIZED void updateValues(const OptimizerCoefficients& c, const float* __restrict gradient,
                                      float* __restrict first, float* __restrict second,
                                      float* __restrict value, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float g = shape<kShaped>(c, gradient[i], value[i]);
    if constexpr (kind == OptimizerKind::kSgd) {
      const float m = first[i] * c.momentum + g;
      first[i] = m;
      value[i] -= c.stepSize * (c.nesterov ? g + c.momentum * m : m);
    } else if constexpr (kind == OptimizerKind::kAdam || kind == OptimizerKind::kAdamW) {
      const float m = first[i] + (g - first[i]) * c.keepFirst;
      const float v = second[i] + (g * g - second[i]) * c.keepSecond;
      first[i] = m;
      second[i] = v;
      value[i] = value[i] * c.keepValue - c.stepSize * m / (std::sqrt(v) * c.inverseRoot + c.epsilon);
    } else if constexpr (kind == OptimizerKind::kAdamax) {
      const float m = first[i] + (g - first[i]) * c.keepFirst;
      const float decayed = second[i] * (1 - c.keepSecond);
      const float magnitude = (g < 0 ? -g : g) + c.epsilon;
      const float v = decayed > magnitude ? decayed : magnitude;
      first[i] = m;
      second[i] = v;
      value[i] -= c.stepSize * m / v;
    } else if constexpr (kind == OptimizerKind::kRmsProp) {
      const float v = second[i] + (g * g - second[i]) * c.keepSecond;
      const float m = first[i] * c.momentum + g / (std::sqrt(v) + c.epsilon);
      second[i] = v;
      first[i] = m;
      value[i] -= c.stepSize * m;
    } else {
      const float v = second[i] + g * g;
      second[i] = v;
      value[i] -= c.stepSize * g / (std::sqrt(v) + c.epsilon);
    }
  }
}

TORCHVAE_AVX512 void adamAvx512(const OptimizerCoefficients& c, const float* gradient, float* first,
                                float* second, float* value, int64_t count) {
  const auto update = [&](__mmask16 lanes, int64_t i) TORCHVAE_AVX512 {
    adamSixteen(c, lanes, _mm512_maskz_loadu_ps(lanes, gradient + i), first + i, second + i, value + i);
  };
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) update(0xffff, i);
  if (i < count) update(static_cast<__mmask16>((1u << (count - i)) - 1), i);
}

}  // namespace

TORCHVAE_VECTORIZED void averageUpdate(float keep, const float* __restrict value, float* __restrict average,
                                       int64_t count) {
  for (int64_t i = 0; i < count; ++i) average[i] += (value[i] - average[i]) * keep;
}

void optimizerUpdate(const OptimizerCoefficients& c, const float* gradient, float* first, float* second,
                     float* value, int64_t count) {
  const bool adam = c.kind == OptimizerKind::kAdam || c.kind == OptimizerKind::kAdamW;
  const bool shaped = c.changesGradient();
  // A denominator below the normal numbers has no estimate of its inverse.
  if (adam && !shaped && hasAvx512() && c.epsilon >= std::numeric_limits<float>::min()) {
    adamAvx512(c, gradient, first, second, value, count);
    return;
  }
  const auto update = [&]<OptimizerKind kind>() {
    (shaped ? updateValues<kind, true> : updateValues<kind, false>)(c, gradient, first, second, value, count);
  };
  switch (c.kind) {
    case OptimizerKind::kSgd:
      return update.template operator()<OptimizerKind::kSgd>();
    case OptimizerKind::kAdam:
    case OptimizerKind::kAdamW:
      return update.template operator()<OptimizerKind::kAdam>();
    case OptimizerKind::kAdamax:
      return update.template operator()<OptimizerKind::kAdamax>();
    case OptimizerKind::kRmsProp:
      return update.template operator()<OptimizerKind::kRmsProp>();
    case OptimizerKind::kAdaGrad:
      return update.template operator()<OptimizerKind::kAdaGrad>();
  }
}

}  // namespace torchvae::cpu
