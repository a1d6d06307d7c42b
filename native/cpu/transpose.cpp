#include "cpu/transpose.h"

#include <immintrin.h>

namespace torchvae {

void transpose(const float* from, int64_t fromStride, int64_t rows, int64_t columns, float* to,
               int64_t toStride) {
  const int64_t wholeRows = rows / 4 * 4;
  const int64_t wholeColumns = columns / 4 * 4;
  // Sixteen rows at a time: a column of them fills one cache line of the target.
  for (int64_t i0 = 0; i0 < wholeRows; i0 += 16) {
    const int64_t i1 = i0 + 16 < wholeRows ? i0 + 16 : wholeRows;
    for (int64_t j = 0; j < wholeColumns; j += 4) {
      for (int64_t i = i0; i < i1; i += 4) {
        const float* corner = from + i * fromStride + j;
        __m128 a = _mm_loadu_ps(corner);
        __m128 b = _mm_loadu_ps(corner + fromStride);
        __m128 c = _mm_loadu_ps(corner + 2 * fromStride);
        __m128 d = _mm_loadu_ps(corner + 3 * fromStride);
        _MM_TRANSPOSE4_PS(a, b, c, d);
        float* target = to + j * toStride + i;
        _mm_storeu_ps(target, a);
        _mm_storeu_ps(target + toStride, b);
        _mm_storeu_ps(target + 2 * toStride, c);
        _mm_storeu_ps(target + 3 * toStride, d);
      }
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t first = i < wholeRows ? wholeColumns : 0;
    for (int64_t j = first; j < columns; ++j) to[j * toStride + i] = from[i * fromStride + j];
  }
}

}  // namespace torchvae
