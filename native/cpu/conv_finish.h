// What follows a convolution's product while an image's values are still in the cache.
#pragma once

#include <cstdint>

#include "cpu/magnitude.h"
#include "spec.h"

namespace torchvae::cpu {

// Element by element: a bias (by channel), images that are added and an activation,
// or, where `kept` is given, the slope of the activation that it was kept of.
struct ConvFinish {
  const float* bias = nullptr;
  float* slope = nullptr;  // where the activation's slope goes, laid out as the images
  const float* kept = nullptr;
  ActivationKind activation = ActivationKind::kIdentity;
  const float* added = nullptr;
  Magnitude* magnitude = nullptr;  // that the values come to, where it is asked for
};

// Of one image's values, [pixels, channels]; number `image` of those that the pointers above are for.
void finishImage(const ConvFinish& finish, int64_t image, float* values, int64_t pixels, int64_t channels);

}  // namespace torchvae::cpu
