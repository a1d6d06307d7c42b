#include "cpu/transpose.h"

#include <algorithm>

#include "cpu/intrinsics.h"

namespace torchvae {
namespace {

void transpose4(const float* from, int64_t fromStride, float* to, int64_t toStride) {
  __m128 a = _mm_loadu_ps(from);
  __m128 b = _mm_loadu_ps(from + fromStride);
  __m128 c = _mm_loadu_ps(from + 2 * fromStride);
  __m128 d = _mm_loadu_ps(from + 3 * fromStride);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(to, a);
  _mm_storeu_ps(to + toStride, b);
  _mm_storeu_ps(to + 2 * toStride, c);
  _mm_storeu_ps(to + 3 * toStride, d);
}

// Whole blocks of 4 x 4, the rest one by one.
void transposeSmall(const float* from, int64_t fromStride, int64_t rows, int64_t columns, float* to,
                    int64_t toStride) {
  const int64_t wholeRows = rows / 4 * 4;
  const int64_t wholeColumns = columns / 4 * 4;
  for (int64_t j = 0; j < wholeColumns; j += 4) {
    for (int64_t i = 0; i < wholeRows; i += 4) {
      transpose4(from + i * fromStride + j, fromStride, to + j * toStride + i, toStride);
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t first = i < wholeRows ? wholeColumns : 0;
    for (int64_t j = first; j < columns; ++j) to[j * toStride + i] = from[i * fromStride + j];
  }
}

// 16 x 16 in four stages of sixteen shuffles: pairs of rows, pairs of pairs, then the 128-bit quarters twice.
TORCHVAE_AVX512 void transpose16(const float* from, int64_t fromStride, float* to, int64_t toStride) {
  __m512 a[16], b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) a[i] = _mm512_loadu_ps(from + i * fromStride);
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
  }
  // a[4 q + c]: column 4 k + c of rows 4 q .. 4 q + 3, in quarter k
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    for (int half = 0; half < 2; ++half) {
      const __m512d low = _mm512_castps_pd(b[i + half]);
      const __m512d high = _mm512_castps_pd(b[i + half + 2]);
      a[i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
      a[i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
    }
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const __m512 even01 = _mm512_shuffle_f32x4(a[c], a[4 + c], 0x88);
    const __m512 odd01 = _mm512_shuffle_f32x4(a[c], a[4 + c], 0xdd);
    const __m512 even23 = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0x88);
    const __m512 odd23 = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0xdd);
    _mm512_storeu_ps(to + c * toStride, _mm512_shuffle_f32x4(even01, even23, 0x88));
    _mm512_storeu_ps(to + (4 + c) * toStride, _mm512_shuffle_f32x4(odd01, odd23, 0x88));
    _mm512_storeu_ps(to + (8 + c) * toStride, _mm512_shuffle_f32x4(even01, even23, 0xdd));
    _mm512_storeu_ps(to + (12 + c) * toStride, _mm512_shuffle_f32x4(odd01, odd23, 0xdd));
  }
}

}  // namespace

void transpose(const float* from, int64_t fromStride, int64_t rows, int64_t columns, float* to,
               int64_t toStride) {
  const int64_t wholeRows = hasAvx512() ? rows / 16 * 16 : 0;
  const int64_t wholeColumns = hasAvx512() ? columns / 16 * 16 : 0;
  for (int64_t i = 0; i < wholeRows; i += 16) {
    for (int64_t j = 0; j < wholeColumns; j += 16) {
      transpose16(from + i * fromStride + j, fromStride, to + j * toStride + i, toStride);
    }
  }
  if (wholeColumns < columns) {
    transposeSmall(from + wholeColumns, fromStride, wholeRows, columns - wholeColumns,
                   to + wholeColumns * toStride, toStride);
  }
  // Sixteen rows at a time: a column of them fills one cache line of the target.
  for (int64_t i = wholeRows; i < rows; i += 16) {
    transposeSmall(from + i * fromStride, fromStride, std::min<int64_t>(16, rows - i), columns, to + i,
                   toStride);
  }
}

}  // namespace torchvae
