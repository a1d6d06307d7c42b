#include "cpu/adam.h"

#include <cmath>

#include "cpu/intrinsics.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

TORCHVAE_VECTORISED void updatePlain(const AdamCoefficients& c, const float* __restrict gradient,
                                     float* __restrict first, float* __restrict second,
                                     float* __restrict value, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i];
    const float m = first[i] + (g - first[i]) * c.keepFirst;
    const float v = second[i] + (g * g - second[i]) * c.keepSecond;
    first[i] = m;
    second[i] = v;
    value[i] -= c.stepSize * m / (std::sqrt(v) * c.inverseRoot + c.epsilon);
  }
}

// A square root and a division take longer than all the rest together. Here each is the processor's 14-bit
// estimate and one step of Newton's, which leaves an error of 1 to 2 ulp.
__attribute__((target("avx512f"))) inline void updateSixteen(const AdamCoefficients& c, __mmask16 lanes,
                                                             const float* gradient, float* first,
                                                             float* second, float* value) {
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
  const __m512 p = _mm512_maskz_loadu_ps(lanes, value);
  _mm512_mask_storeu_ps(value, lanes,
                        _mm512_fnmadd_ps(_mm512_mul_ps(_mm512_set1_ps(c.stepSize), m), inverse, p));
}

__attribute__((target("avx512f"))) void updateAvx512(const AdamCoefficients& c, const float* gradient,
                                                     float* first, float* second, float* value,
                                                     int64_t count) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) updateSixteen(c, 0xffff, gradient + i, first + i, second + i, value + i);
  if (i < count) {
    const auto lanes = static_cast<__mmask16>((1u << (count - i)) - 1);
    updateSixteen(c, lanes, gradient + i, first + i, second + i, value + i);
  }
}

const bool kHasAvx512 = __builtin_cpu_supports("avx512f") != 0;

}  // namespace

void adamUpdate(const AdamCoefficients& coefficients, const float* gradient, float* first, float* second,
                float* value, int64_t count) {
  if (kHasAvx512 && coefficients.epsilon > 0) {
    updateAvx512(coefficients, gradient, first, second, value, count);
  } else {
    updatePlain(coefficients, gradient, first, second, value, count);
  }
}

}  // namespace torchvae::cpu
