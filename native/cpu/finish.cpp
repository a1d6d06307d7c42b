#include "cpu/finish.h"

#include "cpu/activation.h"
#include "cpu/magnitude.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

TORCHVAE_INLINE float widened(float x) {
  return x;
}
TORCHVAE_INLINE float widened(uint16_t x) {
  return std::bit_cast<float>(static_cast<uint32_t>(x) << 16);
}

template <ActivationKind kind>
TORCHVAE_VECTORIZED uint32_t forward(int64_t rows, int64_t columns, const float* __restrict bias,
                                     float* __restrict y, float* __restrict slope, int64_t stride) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < rows; ++i) {
    float* row = y + i * stride;
    if constexpr (keptOf(kind) == KeptOf::kSlope) {
      if (slope != nullptr) {
        float* slopes = slope + i * stride;
        for (int64_t j = 0; j < columns; ++j) slopes[j] = slopeAt<kind>(row[j] + bias[j], 0.0f);
      }
    }
    for (int64_t j = 0; j < columns; ++j) row[j] = activate<kind>(row[j] + bias[j]);
    // A separate loop: in one with an activation that branches, the compiler vectorizes neither.
    for (int64_t j = 0; j < columns; ++j) {
      const uint32_t bits = magnitudeBits(row[j]);
      largest = bits > largest ? bits : largest;
    }
  }
  return largest;
}

template <ActivationKind kind, class T>
TORCHVAE_VECTORIZED uint32_t inputGradient(int64_t rows, int64_t columns, const T* __restrict keptT,
                                           int64_t keptStride, float* __restrict dxT, int64_t stride) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const T* kept = keptT + i * keptStride;
    float* gradient = dxT + i * stride;
    for (int64_t j = 0; j < columns; ++j) gradient[j] *= activationSlope<kind>(widened(kept[j]));
    for (int64_t j = 0; j < columns; ++j) {
      const uint32_t bits = magnitudeBits(gradient[j]);
      largest = bits > largest ? bits : largest;
    }
  }
  return largest;
}

}  // namespace

uint32_t finishForward(ActivationKind kind, int64_t rows, int64_t columns, const float* bias, float* y,
                       float* slope, int64_t stride) {
  return withActivation(
      kind, [&](auto known) { return forward<known.value>(rows, columns, bias, y, slope, stride); });
}

uint32_t finishInputGradient(ActivationKind madeX, int64_t rows, int64_t columns, const float* keptT,
                             int64_t keptStride, float* dxT, int64_t stride) {
  return withActivation(madeX, [&](auto known) {
    return inputGradient<known.value>(rows, columns, keptT, keptStride, dxT, stride);
  });
}

uint32_t finishInputGradient(ActivationKind madeX, int64_t rows, int64_t columns, const uint16_t* keptT,
                             int64_t keptStride, float* dxT, int64_t stride) {
  return withActivation(madeX, [&](auto known) {
    return inputGradient<known.value>(rows, columns, keptT, keptStride, dxT, stride);
  });
}

}  // namespace torchvae::cpu
