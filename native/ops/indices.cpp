#include "ops/indices.h"

#include <ATen/ops/empty.h>

#include <cmath>

#include "cpu/vector.h"
#include "error.h"

namespace torchvae {
namespace {

// Returns how many of the numbers name something; the others become 0.
TORCHVAE_VECTORIZED int64_t roundAll(const float* x, int64_t size, float scale, float count, int32_t* to) {
  int64_t valid = 0;
  for (int64_t i = 0; i < size; ++i) {
    const float rounded = std::rint(x[i] * scale);
    const bool isValid = rounded >= 0 && rounded < count;
    to[i] = static_cast<int32_t>(isValid ? rounded : 0.0f);
    valid += isValid ? 1 : 0;
  }
  return valid;
}

}  // namespace

Tensor indicesOf(const Tensor& x, float scale, int64_t count) {
  const Tensor from = x.contiguous(), indices = at::empty(x.sizes(), x.options().dtype(c10::kInt));
  const int64_t valid = roundAll(from.const_data_ptr<float>(), x.numel(), scale, static_cast<float>(count),
                                 indices.mutable_data_ptr<int32_t>());
  if (valid < x.numel()) {
    throw Error("ERR_RANGE",
                "Expected values for whole numbers between 0 and " + std::to_string(count - 1) + " alone");
  }
  return indices;
}

}  // namespace torchvae
