// Between the host's memory and tensors, a part of the examples at a time.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>

#include "engine.h"

namespace torchvae {

// Examples that work outside training takes at a time.
inline constexpr int64_t kEvaluationRows = 256;

inline const c10::TensorOptions kHostFloat = c10::TensorOptions().dtype(c10::kFloat);
inline const c10::TensorOptions kHostDouble = c10::TensorOptions().dtype(c10::kDouble);

// Rows [first, first + rows) of `array`, [rows, columns], uint8 or float32: where they lie, without a copy.
inline at::Tensor hostRows(const HostArray& array, int64_t first, int64_t rows) {
  const auto type = array.isUint8 ? c10::kByte : c10::kFloat;
  const auto width = array.columns * static_cast<int64_t>(c10::elementSize(type));
  auto* data = static_cast<uint8_t*>(const_cast<void*>(array.data));
  return at::from_blob(data + first * width, {rows, array.columns}, c10::TensorOptions().dtype(type));
}

// Waits for the device.
inline void copyOut(const at::Tensor& tensor, float* to) {
  at::from_blob(to, tensor.sizes(), kHostFloat).copy_(tensor);
}

// Calls body(first, count) for parts of at most `most`.
template <class Body>
void forParts(int64_t total, int64_t most, const Body& body) {
  for (int64_t first = 0; first < total; first += most) body(first, std::min(most, total - first));
}

}  // namespace torchvae
