// What a normalization gives.
#pragma once

#include "base/tensor.h"

namespace torchvae {

struct Normed {
  Tensor y;
  Tensor x;  // what came in, for those that take it beside y: both gradients become one in one pass
};

}  // namespace torchvae
