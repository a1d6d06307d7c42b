// Adam's update of up to sixteen weights, for processors with AVX-512.
#pragma once

#include "cpu/intrinsics.h"
#include "cpu/optimizer.h"
#include "cpu/vector.h"

namespace torchvae::cpu {

enum class Quotient : uint8_t {
  // For loops with other work for the multipliers, beside which the divider costs nothing.
  kExact,
  // For loops of nothing but this, where a square root and a division take longer than all the rest: each is
  // the
  // processor's 14-bit estimate and one step of Newton's, which leaves an error of 1 to 2 ulp. The
  // denominator
  // must be a normal number.
  kEstimated,
};

// m / (sqrt(v) inverseRoot + epsilon).
template <Quotient kind>
TORCHVAE_AVX512 TORCHVAE_INLINE __m512 adamQuotient(const OptimizerCoefficients& c, __m512 m, __m512 v) {
  const __m512 scale = _mm512_set1_ps(c.inverseRoot);
  const __m512 epsilon = _mm512_set1_ps(c.epsilon);
  if constexpr (kind == Quotient::kExact) {
    return _mm512_div_ps(m, _mm512_fmadd_ps(_mm512_sqrt_ps(v), scale, epsilon));
  }
  // The least normal number keeps the estimate of 1 / sqrt(0) finite.
  const __m512 y = _mm512_rsqrt14_ps(_mm512_max_ps(v, _mm512_set1_ps(1.17549435e-38f)));
  __m512 root = _mm512_mul_ps(v, y);
  const __m512 rest = _mm512_fnmadd_ps(root, root, v);
  root = _mm512_fmadd_ps(_mm512_mul_ps(y, _mm512_set1_ps(0.5f)), rest, root);
  const __m512 denominator = _mm512_fmadd_ps(root, scale, epsilon);
  __m512 inverse = _mm512_rcp14_ps(denominator);
  inverse = _mm512_fmadd_ps(inverse, _mm512_fnmadd_ps(denominator, inverse, _mm512_set1_ps(1.0f)), inverse);
  return _mm512_mul_ps(m, inverse);
}

template <Quotient kind>
TORCHVAE_AVX512 TORCHVAE_INLINE void adamSixteen(const OptimizerCoefficients& c, __mmask16 lanes, __m512 g,
                                                 float* first, float* second, float* value) {
  __m512 m = _mm512_maskz_loadu_ps(lanes, first);
  __m512 v = _mm512_maskz_loadu_ps(lanes, second);
  m = _mm512_fmadd_ps(_mm512_sub_ps(g, m), _mm512_set1_ps(c.keepFirst), m);
  v = _mm512_fmadd_ps(_mm512_fmsub_ps(g, g, v), _mm512_set1_ps(c.keepSecond), v);
  _mm512_mask_storeu_ps(first, lanes, m);
  _mm512_mask_storeu_ps(second, lanes, v);
  const __m512 kept = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, value), _mm512_set1_ps(c.keepValue));
  _mm512_mask_storeu_ps(value, lanes,
                        _mm512_fnmadd_ps(_mm512_set1_ps(c.stepSize), adamQuotient<kind>(c, m, v), kept));
}

}  // namespace torchvae::cpu
