#include "cpu/optimiser.h"

#include <cmath>

#include "cpu/intrinsics.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

template <bool kShaped>
TORCHVAE_INLINE float shape(const OptimiserCoefficients& c, float g, float value) {
  if constexpr (!kShaped) return g;
  g *= c.scale;
  g = g < -c.limit ? -c.limit : g;
  g = g > c.limit ? c.limit : g;
  const float sign = value > 0 ? 1.0f : value < 0 ? -1.0f : 0.0f;
  return g + c.decay * value + c.l1 * sign;
}

template <OptimiserKind kind, bool kShaped>
TORCHVAE_VECTORISED void updateValues(const OptimiserCoefficients& c, const float* __restrict gradient,
                                      float* __restrict first, float* __restrict second,
                                      float* __restrict value, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float g = shape<kShaped>(c, gradient[i], value[i]);
    if constexpr (kind == OptimiserKind::kSgd) {
      const float m = first[i] * c.momentum + g;
      first[i] = m;
      value[i] -= c.stepSize * (c.nesterov ? g + c.momentum * m : m);
    } else if constexpr (kind == OptimiserKind::kAdam || kind == OptimiserKind::kAdamW) {
      const float m = first[i] + (g - first[i]) * c.keepFirst;
      const float v = second[i] + (g * g - second[i]) * c.keepSecond;
      first[i] = m;
      second[i] = v;
      value[i] = value[i] * c.keepValue - c.stepSize * m / (std::sqrt(v) * c.inverseRoot + c.epsilon);
    } else if constexpr (kind == OptimiserKind::kAdamax) {
      const float m = first[i] + (g - first[i]) * c.keepFirst;
      const float decayed = second[i] * (1 - c.keepSecond);
      const float magnitude = (g < 0 ? -g : g) + c.epsilon;
      const float v = decayed > magnitude ? decayed : magnitude;
      first[i] = m;
      second[i] = v;
      value[i] -= c.stepSize * m / v;
    } else if constexpr (kind == OptimiserKind::kRmsProp) {
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

// A square root and a division take longer than all the rest together. Here each is the processor's 14-bit
// estimate and one step of Newton's, which leaves an error of 1 to 2 ulp.
__attribute__((target("avx512f"))) inline void adamSixteen(const OptimiserCoefficients& c, __mmask16 lanes,
                                                           const float* gradient, float* first, float* second,
                                                           float* value) {
  const __m512 g = _mm512_maskz_loadu_ps(lanes, gradient);
  __m512 m = _mm512_maskz_loadu_ps(lanes, first);
  __m512 v = _mm512_maskz_loadu_ps(lanes, second);
  m = _mm512_fmadd_ps(_mm512_sub_ps(g, m), _mm512_set1_ps(c.keepFirst), m);
  v = _mm512_fmadd_ps(_mm512_fmsub_ps(g, g, v), _mm512_set1_ps(c.keepSecond), v);
  _mm512_mask_storeu_ps(first, lanes, m);
  _mm512_mask_storeu_ps(second, lanes, v);

  // The least normal number keeps the estimate of 1 / sqrt(0) finite.
  const __m512 y = _mm512_rsqrt14_ps(_mm512_max_ps(v, _mm512_set1_ps(1.17549435e-38f)));
  __m512 root = _mm512_mul_ps(v, y);
  const __m512 rest = _mm512_fnmadd_ps(root, root, v);
  root = _mm512_fmadd_ps(_mm512_mul_ps(y, _mm512_set1_ps(0.5f)), rest, root);
  const __m512 denominator = _mm512_fmadd_ps(root, _mm512_set1_ps(c.inverseRoot), _mm512_set1_ps(c.epsilon));
  __m512 inverse = _mm512_rcp14_ps(denominator);
  inverse = _mm512_fmadd_ps(inverse, _mm512_fnmadd_ps(denominator, inverse, _mm512_set1_ps(1.0f)), inverse);
  const __m512 p = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, value), _mm512_set1_ps(c.keepValue));
  _mm512_mask_storeu_ps(value, lanes,
                        _mm512_fnmadd_ps(_mm512_mul_ps(_mm512_set1_ps(c.stepSize), m), inverse, p));
}

__attribute__((target("avx512f"))) void adamAvx512(const OptimiserCoefficients& c, const float* gradient,
                                                   float* first, float* second, float* value, int64_t count) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) adamSixteen(c, 0xffff, gradient + i, first + i, second + i, value + i);
  if (i < count) {
    const auto lanes = static_cast<__mmask16>((1u << (count - i)) - 1);
    adamSixteen(c, lanes, gradient + i, first + i, second + i, value + i);
  }
}

const bool kHasAvx512 = __builtin_cpu_supports("avx512f") != 0;

}  // namespace

TORCHVAE_VECTORISED void averageUpdate(float keep, const float* __restrict value, float* __restrict average,
                                       int64_t count) {
  for (int64_t i = 0; i < count; ++i) average[i] += (value[i] - average[i]) * keep;
}

void optimiserUpdate(const OptimiserCoefficients& c, const float* gradient, float* first, float* second,
                     float* value, int64_t count) {
  const bool adam = c.kind == OptimiserKind::kAdam || c.kind == OptimiserKind::kAdamW;
  const bool shaped = c.changesGradient();
  // A denominator below the normal numbers has no estimate of its inverse.
  if (adam && !shaped && kHasAvx512 && c.epsilon >= std::numeric_limits<float>::min()) {
    adamAvx512(c, gradient, first, second, value, count);
    return;
  }
  const auto update = [&]<OptimiserKind kind>() {
    (shaped ? updateValues<kind, true> : updateValues<kind, false>)(c, gradient, first, second, value, count);
  };
  switch (c.kind) {
    case OptimiserKind::kSgd:
      return update.template operator()<OptimiserKind::kSgd>();
    case OptimiserKind::kAdam:
    case OptimiserKind::kAdamW:
      return update.template operator()<OptimiserKind::kAdam>();
    case OptimiserKind::kAdamax:
      return update.template operator()<OptimiserKind::kAdamax>();
    case OptimiserKind::kRmsProp:
      return update.template operator()<OptimiserKind::kRmsProp>();
    case OptimiserKind::kAdaGrad:
      return update.template operator()<OptimiserKind::kAdaGrad>();
  }
}

}  // namespace torchvae::cpu
