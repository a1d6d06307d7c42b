#include "data/resident.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>

#include <algorithm>

#include "cpu/vector.h"
#include "memory.h"

namespace torchvae {
namespace {

// Dividing, as everybody's data loader does, and not multiplying by 1/255: the two differ in the last bit.
TORCHVAE_VECTORISED void scalePixels(const uint8_t* from, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]) / 255.0f;
}

}  // namespace

ResidentDataset::ResidentDataset(const c10::Device& device, const HostArray& values) {
  const Context context{device, values.isUint8 ? c10::kByte : c10::kFloat, nullptr};
  values_ = zeroed(context, {values.rows, values.columns});
  values_.copy_(at::from_blob(const_cast<void*>(values.data), {values.rows, values.columns},
                              c10::TensorOptions().dtype(context.dtype)));
  if (!values.isUint8) {
    const auto* floats = static_cast<const float*>(values.data);
    magnitude_ =
        std::bit_cast<float>(largestMagnitudeBits(floats, values.rows, values.columns, values.columns));
  }
}

void ResidentDataset::gather(const Context& context, const at::Tensor& order, int64_t first, int64_t rows,
                             Activations& x) const {
  if (!context.tiled()) {
    const at::Tensor batch = at::index_select(values_, 0, order.narrow(0, first, rows)).to(context.dtype);
    x.value.narrow(0, 0, rows).copy_(values_.scalar_type() == c10::kByte ? batch.div(255) : batch);
    return;
  }
  constexpr int64_t kTileRows = 16;
  const int64_t width = columns();
  const bool bytes = values_.scalar_type() == c10::kByte;
  const int64_t* index = order.data_ptr<int64_t>() + first;
  float* to = x.value.data_ptr<float>();
  x.magnitude.set(magnitude_);
  context.pool->run((rows + kTileRows - 1) / kTileRows, [&](int64_t tile) {
    const int64_t begin = tile * kTileRows;
    const int64_t end = std::min(rows, begin + kTileRows);
    for (int64_t i = begin; i < end; ++i) {
      if (bytes) {
        scalePixels(values_.const_data_ptr<uint8_t>() + index[i] * width, width, to + i * width);
      } else {
        std::copy_n(values_.const_data_ptr<float>() + index[i] * width, width, to + i * width);
      }
    }
    x.finishRows(begin, end);
  });
}

}  // namespace torchvae
