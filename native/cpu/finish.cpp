#include "cpu/finish.h"

#include "cpu/magnitude.h"
#include "cpu/vector.h"
#include "ops/activation.h"

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
                                     float* __restrict y, int64_t stride) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < rows; ++i) {
    float* row = y + i * stride;
    for (int64_t j = 0; j < columns; ++j) row[j] = activate<kind>(row[j] + bias[j]);
    // A loop of its own: in one with an activation that branches, the compiler vectorizes neither.
    for (int64_t j = 0; j < columns; ++j) {
      const uint32_t bits = magnitudeBits(row[j]);
      largest = bits > largest ? bits : largest;
    }
  }
  return largest;
}

template <ActivationKind kind, class T>
TORCHVAE_VECTORIZED uint32_t inputGradient(int64_t rows, int64_t columns, const T* __restrict xT,
                                           int64_t xStride, float* __restrict dxT, int64_t stride) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const T* x = xT + i * xStride;
    float* gradient = dxT + i * stride;
    for (int64_t j = 0; j < columns; ++j) gradient[j] *= activationSlope<kind>(widened(x[j]));
    for (int64_t j = 0; j < columns; ++j) {
      const uint32_t bits = magnitudeBits(gradient[j]);
      largest = bits > largest ? bits : largest;
    }
  }
  return largest;
}

}  // namespace

uint32_t finishForward(ActivationKind kind, int64_t rows, int64_t columns, const float* bias, float* y,
                       int64_t stride) {
  return withActivation(kind,
                        [&](auto known) { return forward<known.value>(rows, columns, bias, y, stride); });
}

uint32_t finishInputGradient(ActivationKind madeX, int64_t rows, int64_t columns, const float* xT,
                             int64_t xStride, float* dxT, int64_t stride) {
  return withActivation(
      madeX, [&](auto known) { return inputGradient<known.value>(rows, columns, xT, xStride, dxT, stride); });
}

uint32_t finishInputGradient(ActivationKind madeX, int64_t rows, int64_t columns, const uint16_t* xT,
                             int64_t xStride, float* dxT, int64_t stride) {
  return withActivation(
      madeX, [&](auto known) { return inputGradient<known.value>(rows, columns, xT, xStride, dxT, stride); });
}

}  // namespace torchvae::cpu
