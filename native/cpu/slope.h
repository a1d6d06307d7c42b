// Values on their way through an activation, and gradients on their way back.
#pragma once

#include <cstdint>

#include "spec.h"

namespace torchvae::cpu {

// y = activate(x), and its slope unless that is null.
void applyActivation(ActivationKind activation, const float* x, int64_t count, float* y, float* slope);

// to = dy times the slope of the activation of which `kept` was kept: its output, or the slope.
void multiplyBySlope(ActivationKind activation, const float* dy, const float* kept, int64_t count, float* to);

}  // namespace torchvae::cpu
