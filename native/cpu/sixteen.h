// Sixteen floats in registers, with one interface in two sets of instructions: one register of AVX-512, or
// two of AVX2. Files that compute with them hold their kernels in a header without a guard, which the file
// that calls them includes once in each of the namespaces, with TORCHVAE_SET as the set's attribute.
#pragma once

#include "cpu/intrinsics.h"
#include "cpu/vector.h"

namespace torchvae {

namespace avx512 {

#define TORCHVAE_OF_SET TORCHVAE_AVX512 TORCHVAE_INLINE

using Sixteen = __m512;
using Lanes = __mmask16;

// Registers that hold sixteen.
constexpr int kSixteens = 32;

// The first `count`.
TORCHVAE_OF_SET Lanes lanes(int64_t count) {
  return static_cast<Lanes>((1u << count) - 1);
}

TORCHVAE_OF_SET Sixteen zeros() {
  return _mm512_setzero_ps();
}
TORCHVAE_OF_SET Sixteen spread(float x) {
  return _mm512_set1_ps(x);
}
TORCHVAE_OF_SET Sixteen load(const float* from) {
  return _mm512_loadu_ps(from);
}
// Zeros in the other lanes.
TORCHVAE_OF_SET Sixteen load(const float* from, Lanes lanes) {
  return _mm512_maskz_loadu_ps(lanes, from);
}
TORCHVAE_OF_SET void store(float* to, Sixteen x) {
  _mm512_storeu_ps(to, x);
}
TORCHVAE_OF_SET void store(float* to, Sixteen x, Lanes lanes) {
  _mm512_mask_storeu_ps(to, lanes, x);
}
TORCHVAE_OF_SET Sixteen subtract(Sixteen a, Sixteen b) {
  return _mm512_sub_ps(a, b);
}
TORCHVAE_OF_SET Sixteen multiply(Sixteen a, Sixteen b) {
  return _mm512_mul_ps(a, b);
}
TORCHVAE_OF_SET Sixteen divide(Sixteen a, Sixteen b) {
  return _mm512_div_ps(a, b);
}
TORCHVAE_OF_SET Sixteen squareRoot(Sixteen a) {
  return _mm512_sqrt_ps(a);
}
// a b + c
TORCHVAE_OF_SET Sixteen multiplyAdd(Sixteen a, Sixteen b, Sixteen c) {
  return _mm512_fmadd_ps(a, b, c);
}
// a b - c
TORCHVAE_OF_SET Sixteen multiplySubtract(Sixteen a, Sixteen b, Sixteen c) {
  return _mm512_fmsub_ps(a, b, c);
}
// c - a b
TORCHVAE_OF_SET Sixteen subtractProduct(Sixteen a, Sixteen b, Sixteen c) {
  return _mm512_fnmadd_ps(a, b, c);
}
// a where it is less, else b: b where one is NaN.
TORCHVAE_OF_SET Sixteen lesser(Sixteen a, Sixteen b) {
  return _mm512_min_ps(a, b);
}
// A bit for each lane, set where both are equal.
TORCHVAE_OF_SET uint32_t equalLanes(Sixteen a, Sixteen b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}

#undef TORCHVAE_OF_SET

}  // namespace avx512

namespace avx2 {

#define TORCHVAE_OF_SET TORCHVAE_AVX2 TORCHVAE_INLINE

struct Sixteen {
  __m256 low, high;
};
struct Lanes {
  __m256i low, high;
};

constexpr int kSixteens = 8;

TORCHVAE_OF_SET Lanes lanes(int64_t count) {
  const __m256i all = _mm256_set1_epi32(static_cast<int>(count));
  return {_mm256_cmpgt_epi32(all, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)),
          _mm256_cmpgt_epi32(all, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15))};
}

TORCHVAE_OF_SET Sixteen zeros() {
  return {_mm256_setzero_ps(), _mm256_setzero_ps()};
}
TORCHVAE_OF_SET Sixteen spread(float x) {
  const __m256 all = _mm256_set1_ps(x);
  return {all, all};
}
TORCHVAE_OF_SET Sixteen load(const float* from) {
  return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
}
TORCHVAE_OF_SET Sixteen load(const float* from, Lanes lanes) {
  return {_mm256_maskload_ps(from, lanes.low), _mm256_maskload_ps(from + 8, lanes.high)};
}
TORCHVAE_OF_SET void store(float* to, Sixteen x) {
  _mm256_storeu_ps(to, x.low);
  _mm256_storeu_ps(to + 8, x.high);
}
TORCHVAE_OF_SET void store(float* to, Sixteen x, Lanes lanes) {
  _mm256_maskstore_ps(to, lanes.low, x.low);
  _mm256_maskstore_ps(to + 8, lanes.high, x.high);
}
TORCHVAE_OF_SET Sixteen subtract(Sixteen a, Sixteen b) {
  return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
TORCHVAE_OF_SET Sixteen multiply(Sixteen a, Sixteen b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
TORCHVAE_OF_SET Sixteen divide(Sixteen a, Sixteen b) {
  return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
TORCHVAE_OF_SET Sixteen squareRoot(Sixteen a) {
  return {_mm256_sqrt_ps(a.low), _mm256_sqrt_ps(a.high)};
}
TORCHVAE_OF_SET Sixteen multiplyAdd(Sixteen a, Sixteen b, Sixteen c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
TORCHVAE_OF_SET Sixteen multiplySubtract(Sixteen a, Sixteen b, Sixteen c) {
  return {_mm256_fmsub_ps(a.low, b.low, c.low), _mm256_fmsub_ps(a.high, b.high, c.high)};
}
TORCHVAE_OF_SET Sixteen subtractProduct(Sixteen a, Sixteen b, Sixteen c) {
  return {_mm256_fnmadd_ps(a.low, b.low, c.low), _mm256_fnmadd_ps(a.high, b.high, c.high)};
}
TORCHVAE_OF_SET Sixteen lesser(Sixteen a, Sixteen b) {
  return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)};
}
TORCHVAE_OF_SET uint32_t equalLanes(Sixteen a, Sixteen b) {
  const int low = _mm256_movemask_ps(_mm256_cmp_ps(a.low, b.low, _CMP_EQ_OQ));
  const int high = _mm256_movemask_ps(_mm256_cmp_ps(a.high, b.high, _CMP_EQ_OQ));
  return static_cast<uint32_t>(low | high << 8);
}

#undef TORCHVAE_OF_SET

}  // namespace avx2

}  // namespace torchvae
