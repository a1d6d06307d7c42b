// Whole numbers that name something.
#pragma once

#include "base/tensor.h"

namespace torchvae {

// x times `scale`, float32 values, rounded to int32. Throws ERR_RANGE for what is not 0, ..., count - 1 then.
Tensor indicesOf(const Tensor& x, float scale, int64_t count);

}  // namespace torchvae
