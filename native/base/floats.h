// A tensor's float32 values on the host, for kernels that take pointers.
#pragma once

#include <ATen/core/Tensor.h>

namespace torchvae {

inline float* floats(const at::Tensor& tensor) {
  return tensor.mutable_data_ptr<float>();
}

}  // namespace torchvae
