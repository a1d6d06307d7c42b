// Categorical distributions over classes in many places of an example.
#pragma once

#include <cstdint>

#include "cpu/pool.h"

namespace torchvae::cpu {

struct Categories {
  int64_t rows, classes, places;
};

// Of logits y [rows, classes, places] and the classes `chosen` [rows, places]: losses [rows] = the sum over
// an example's places of logSums - the chosen logit, with logSums [rows, places] = log(sum over classes of
// exp y).
void categoricalLosses(Pool& pool, const Categories& shape, const int32_t* chosen, const float* y,
                       float* logSums, float* losses);

// dy [rows, classes, places], from the gradients of the losses [rows].
void categoricalBackward(Pool& pool, const Categories& shape, const int32_t* chosen, const float* y,
                         const float* logSums, const float* dLosses, float* dy);

}  // namespace torchvae::cpu
