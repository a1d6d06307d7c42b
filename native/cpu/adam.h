// Adam's arithmetic on a stretch of memory.
#pragma once

#include <cstdint>

namespace torchvae::cpu {

// A step's settings, with all that depends on the step number worked out.
struct AdamCoefficients {
  float keepFirst, keepSecond;  // 1 - beta1, 1 - beta2
  float stepSize;               // learning rate / (1 - beta1^t)
  float inverseRoot;            // 1 / sqrt(1 - beta2^t)
  float epsilon;
};

// first += (gradient - first) keepFirst, second += (gradient^2 - second) keepSecond,
// value -= stepSize first / (sqrt(second) inverseRoot + epsilon).
void adamUpdate(const AdamCoefficients& coefficients, const float* gradient, float* first, float* second,
                float* value, int64_t count);

}  // namespace torchvae::cpu
