// Adam's update of up to sixteen weights, for processors with AVX-512, in loops of nothing but this: there a
// square root and a division take longer than all the rest.
#pragma once

#include "cpu/intrinsics.h"
#include "cpu/optimizer.h"
#include "cpu/vector.h"

namespace torchvae::cpu {

// m / (sqrt(v) inverseRoot + epsilon), where the denominator is a normal number: the root and the quotient
// are the processor's 14-bit estimates and one step of Newton's each, which leaves an error of 1 to 2 ulp.
TORCHVAE_AVX512 TORCHVAE_INLINE __m512 adamQuotient(const OptimizerCoefficients& c, __m512 m, __m512 v) {
  // The least normal number keeps the estimate of 1 / sqrt(0) finite.
  const __m512 y = _mm512_rsqrt14_ps(_mm512_max_ps(v, _mm512_set1_ps(1.17549435e-38f)));
  __m512 root = _mm512_mul_ps(v, y);
  const __m512 rest = _mm512_fnmadd_ps(root, root, v);
  root = _mm512_fmadd_ps(_mm512_mul_ps(y, _mm512_set1_ps(0.5f)), rest, root);
  const __m512 denominator = _mm512_fmadd_ps(root, _mm512_set1_ps(c.inverseRoot), _mm512_set1_ps(c.epsilon));
  __m512 inverse = _mm512_rcp14_ps(denominator);
  inverse = _mm512_fmadd_ps(inverse, _mm512_fnmadd_ps(denominator, inverse, _mm512_set1_ps(1.0f)), inverse);
  return _mm512_mul_ps(m, inverse);
}

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
                        _mm512_fnmadd_ps(_mm512_set1_ps(c.stepSize), adamQuotient(c, m, v), kept));
}

}  // namespace torchvae::cpu
