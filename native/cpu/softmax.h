// Sums of exponentials, by their logarithms.
#pragma once

#include <cstdint>

namespace torchvae::cpu {

// Of values v: log(sum of exp(v)), and the factor that takes the exponentials that are left in their place to
// shares of that sum.
struct Softmax {
  float logSum, scale;
};

// Replaces each value by exp(value - the largest).
Softmax softmaxExponentials(float* values, int64_t count);

}  // namespace torchvae::cpu
