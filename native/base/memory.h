// Long-lived buffers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>

#include "base/context.h"

namespace torchvae {

constexpr size_t kHugePage = size_t{1} << 21;

// A tensor of zeros. On the CPU it begins on a page boundary and asks for huge pages: a matrix of
// a thousand rows otherwise takes a translation of addresses for each of them.
at::Tensor zeroed(const Context& context, at::IntArrayRef sizes);

}  // namespace torchvae
