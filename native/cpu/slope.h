// Gradients on their way back through an activation.
#pragma once

#include <cstdint>

#include "spec.h"

namespace torchvae::cpu {

// to = dy times the slope of the activation of which `kept` was kept: its output, or the slope.
void multiplyBySlope(ActivationKind activation, const float* dy, const float* kept, int64_t count, float* to);

}  // namespace torchvae::cpu
