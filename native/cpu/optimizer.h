// The optimizers' arithmetic on a range of memory, that of torch.optim.
#pragma once

#include <cstdint>
#include <limits>

#include "engine.h"

namespace torchvae::cpu {

// A step's settings, with all that depends on the step number worked out.
struct OptimizerCoefficients {
  OptimizerKind kind = OptimizerKind::kAdam;

  // The gradient g becomes clamp(g scale, -limit, limit) + decay value + l1 sign(value).
  float scale = 1;
  float limit = std::numeric_limits<float>::infinity();
  float decay = 0;
  float l1 = 0;

  float keepValue = 1;    // AdamW: 1 - learning rate * weight decay
  float keepFirst = 0;    // 1 - beta1
  float keepSecond = 0;   // 1 - beta2; 1 - alpha of RMSprop
  float stepSize = 0;     // the learning rate; Adam, AdamW, Adamax: / (1 - beta1^t)
  float inverseRoot = 1;  // Adam, AdamW: 1 / sqrt(1 - beta2^t)
  float epsilon = 0;
  float momentum = 0;
  bool nesterov = false;

  bool changesGradient() const {
    return scale != 1 || limit != std::numeric_limits<float>::infinity() || decay != 0 || l1 != 0;
  }
};

// One update of `count` values from their gradients. What the moments hold: SGD first = the momentum's
// buffer; Adam, AdamW both; Adamax first, second = the infinity norm; RMSprop first = the momentum's buffer,
// second = the mean square; AdaGrad second = the sum of squares.
void optimizerUpdate(const OptimizerCoefficients& coefficients, const float* gradient, float* first,
                     float* second, float* value, int64_t count);

// average += (value - average) keep.
void averageUpdate(float keep, const float* value, float* average, int64_t count);

}  // namespace torchvae::cpu
