// Elementary functions written so that the compiler vectorizes the loops that call them, and the attribute
// that has such loops compiled for each instruction set worth having and chosen when the library is loaded.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#define TORCHVAE_VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#define TORCHVAE_INLINE inline __attribute__((always_inline))

namespace torchvae::vec {

// e^x to 1 ulp for x in [-87, 88], held to the ends outside: Cody and Waite's reduction, a polynomial of
// degree 6.
TORCHVAE_INLINE float exp(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float shifted =
      x * 1.44269504088896341f + 12582912.0f;  // rounds to an integer in the low mantissa bits
  const int32_t n = std::bit_cast<int32_t>(shifted) - 0x4B400000;
  const float k = shifted - 12582912.0f;
  const float r = (x - k * 0.693359375f) + k * 2.12194440e-4f;
  float p = 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * std::bit_cast<float>((n + 127) << 23);
}

// (ln(1 + r) - r + r^2 / 2) / r^3 for r in [sqrt(1/2) - 1, sqrt(2) - 1] (Cephes logf).
TORCHVAE_INLINE float logSeries(float r) {
  float p = 7.0376836292e-2f;
  p = p * r - 1.1514610310e-1f;
  p = p * r + 1.1676998740e-1f;
  p = p * r - 1.2420140846e-1f;
  p = p * r + 1.4249322787e-1f;
  p = p * r - 1.6668057665e-1f;
  p = p * r + 2.0000714765e-1f;
  p = p * r - 2.4999993993e-1f;
  p = p * r + 3.3333331174e-1f;
  return p;
}

// ln(1 + x) to 2 ulp for x in [0, 1]: halves the interval at sqrt(2) - 1, then a polynomial (Cephes logf).
TORCHVAE_INLINE float log1p(float x) {
  const bool large = x > 0.41421356237f;
  const float r = large ? (x - 1.0f) * 0.5f : x;
  const float square = r * r;
  const float tail = logSeries(r) * r * square - 0.5f * square;
  return large ? 0.69314718056f + (r + tail) : r + tail;
}

// ln x for normal positive x (Cephes logf).
TORCHVAE_INLINE float log(float x) {
  const int32_t bits = std::bit_cast<int32_t>(x);
  int32_t exponent = ((bits >> 23) & 0xff) - 126;
  float m = std::bit_cast<float>((bits & 0x007fffff) | 0x3f000000);  // [0.5, 1)
  const bool small = m < 0.70710678118f;
  exponent -= small ? 1 : 0;
  m = small ? m + m - 1.0f : m - 1.0f;
  const float e = static_cast<float>(exponent);
  const float square = m * m;
  float y = logSeries(m) * m * square + e * -2.12194440e-4f - 0.5f * square;
  return m + y + e * 0.693359375f;
}

TORCHVAE_INLINE float sigmoid(float x) {
  const float e = vec::exp(x < 0 ? x : -x);
  return (x < 0 ? e : 1.0f) / (1.0f + e);
}

TORCHVAE_INLINE float tanh(float x) {
  // The exponential form loses digits near zero, where the odd series has them all.
  const float magnitude = x < 0 ? -x : x;
  const float e = vec::exp(-2.0f * magnitude);
  const float large = (1.0f - e) / (1.0f + e);
  const float s = x * x;
  float p = -5.70498872745e-3f;
  p = p * s + 2.06390887954e-2f;
  p = p * s - 5.37397155531e-2f;
  p = p * s + 1.33314422036e-1f;
  p = p * s - 3.33332819422e-1f;
  const float small = p * s * x + x;
  return magnitude < 0.625f ? small : (x < 0 ? -large : large);
}

TORCHVAE_INLINE float softplus(float x) {
  return (x > 0 ? x : 0) + vec::log1p(vec::exp(x < 0 ? x : -x));
}

// The density of N(0, 1).
TORCHVAE_INLINE float normalPdf(float x) {
  return vec::exp(-0.5f * x * x) * 0.3989422804f;
}

// The distribution function of N(0, 1) to 5e-8: its tail is the density times a function that a polynomial of
// degree 9 in t = 1 / (1 + |x| / 4) follows (fitted to erfc(|x| / sqrt 2) e^(x^2 / 2) / 2 by Chebyshev
// points).
TORCHVAE_INLINE float normalCdf(float x) {
  const float magnitude = x < 0 ? -x : x;
  const float t = 1.0f / (1.0f + 0.25f * magnitude);
  float p = 2.059337203e-2f;
  p = p * t - 8.450571381e-2f;
  p = p * t + 1.024149568e-1f;
  p = p * t - 3.871331248e-2f;
  p = p * t + 6.796335419e-2f;
  p = p * t + 5.740212897e-2f;
  p = p * t + 8.194533693e-2f;
  p = p * t + 9.342570183e-2f;
  p = p * t + 9.97386515e-2f;
  p = p * t + 9.973553174e-2f;
  const float tail = vec::exp(-0.5f * x * x) * p * t;
  return x < 0 ? tail : 1.0f - tail;
}

}  // namespace torchvae::vec
