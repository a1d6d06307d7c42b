// Tensors, as the parts of a model are written with them: x [B, ...] is a batch, sums run over the dimensions
// of one example.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <vector>

namespace torchvae {

using at::Tensor;

// Sums over all dimensions but the first: [B, ...] to [B].
inline Tensor sumExample(const Tensor& x) {
  return x.dim() == 1 ? x : x.flatten(1).sum(1);
}

}  // namespace torchvae
