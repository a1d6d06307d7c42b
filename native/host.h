// Between the host's memory and tensors, a stretch of examples at a time.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>

namespace torchvae {

// Examples that work outside training takes at a time.
inline constexpr int64_t kEvaluationRows = 256;

inline const c10::TensorOptions kHostFloat = c10::TensorOptions().dtype(c10::kFloat);

// Waits for the device.
inline void copyOut(const at::Tensor& tensor, float* to) {
  at::from_blob(to, tensor.sizes(), kHostFloat).copy_(tensor);
}

// Calls body(first, rows) for stretches of at most `most`.
template <class Body>
void forStretches(int64_t total, int64_t most, const Body& body) {
  for (int64_t first = 0; first < total; first += most) body(first, std::min(most, total - first));
}

}  // namespace torchvae
