// The elementary functions of likelihoods.h on the CPU: in float32 those that vectorize.
#pragma once

#include <cmath>

#include "cpu/vector.h"

namespace torchvae::cpu {

template <class C>
struct TermMath {
  static C exp(C x) { return std::exp(x); }
  static C log(C x) { return std::log(x); }
  static C log1p(C x) { return std::log1p(x); }
};
template <>
struct TermMath<float> {
  TORCHVAE_INLINE static float exp(float x) { return vec::exp(x); }
  TORCHVAE_INLINE static float log(float x) { return vec::log(x); }
  TORCHVAE_INLINE static float log1p(float x) { return vec::log1p(x); }
};

}  // namespace torchvae::cpu
