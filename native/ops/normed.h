// What normalizations take and give.
#pragma once

#include "base/tensor.h"
#include "cpu/norm_tiles.h"

namespace torchvae {

struct Normed {
  Tensor y;
  Tensor x;  // what came in, for those that take it beside y: both gradients become one in one pass
};

// As the kernels read it: the channels of images innermost.
inline Tensor channelsInnermost(const Tensor& x) {
  return x.contiguous(x.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
}

inline cpu::NormShape normShape(const Tensor& x) {
  return {x.numel() / x.size(1), x.size(1)};
}

}  // namespace torchvae
