// A tensor's float32 values on the host, for kernels that take pointers.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

namespace torchvae {

// Null where there is no tensor.
inline float* floats(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<float>() : nullptr;
}

inline const float* constFloats(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}

inline at::Tensor newFloats(at::IntArrayRef sizes) {
  return at::empty(sizes, c10::TensorOptions().dtype(c10::kFloat));
}

}  // namespace torchvae
