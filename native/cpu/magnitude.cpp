#include "cpu/magnitude.h"

namespace torchvae {

TORCHVAE_VECTORIZED uint32_t largestMagnitudeBits(const float* values, int64_t rows, int64_t columns,
                                                  int64_t stride) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const float* row = values + i * stride;
    for (int64_t j = 0; j < columns; ++j) {
      const uint32_t bits = magnitudeBits(row[j]);
      largest = bits > largest ? bits : largest;
    }
  }
  return largest;
}

}  // namespace torchvae
