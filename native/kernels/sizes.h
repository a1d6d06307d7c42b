// Sizes of launches and of what kernels take.
#pragma once

#include <cstdint>

#include "kernels/arguments.h"

namespace torchvae::kernels {

inline int64_t ceilDiv(int64_t n, int64_t d) {
  return (n + d - 1) / d;
}
// Kernels count in 32 bits.
inline int32_t narrow(int64_t n) {
  return static_cast<int32_t>(n);
}

inline int bytesOf(Precision precision) {
  return precision == kBf16 ? 2 : 4;
}

}  // namespace torchvae::kernels
