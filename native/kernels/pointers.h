// Where kernels find a tensor's values; null where there is no tensor.
#pragma once

#include <ATen/core/Tensor.h>

namespace torchvae::kernels {

inline const void* pointer(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr() : nullptr;
}

inline void* mutablePointer(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr() : nullptr;
}

}  // namespace torchvae::kernels
