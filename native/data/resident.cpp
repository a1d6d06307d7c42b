#include "data/resident.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/one_hot.h>

#include <algorithm>
#include <atomic>

#include "base/host.h"
#include "base/memory.h"
#include "cpu/pool.h"
#include "cpu/vector.h"
#include "error.h"

namespace torchvae {
namespace {

// Dividing, as everybody's data loader does, and not multiplying by 1/255: the two differ in the last bit.
TORCHVAE_VECTORIZED void scalePixels(const uint8_t* from, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]) / 255.0f;
}

// A row of probabilities to 0 and 1.
TORCHVAE_VECTORIZED void drawBinary(const float* uniform, int64_t count, float* values) {
  for (int64_t i = 0; i < count; ++i) values[i] = uniform[i] < values[i] ? 1.0f : 0.0f;
}

void storeLabel(int64_t label, int64_t classes, float* to) {
  for (int64_t c = 0; c < classes; ++c) to[c] = c == label ? 1.0f : 0.0f;
}

// Each row has its own numbers; the index of the first is a multiple of 4.
int64_t numbersPerRow(int64_t width) {
  return (width + 3) / 4 * 4;
}

// Rows in any order are rows that no cache holds.
void ask(const uint8_t* row, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(row + i);
}

}  // namespace

int64_t ResidentDataset::nextSerial() {
  static std::atomic<int64_t> count{0};
  return ++count;
}

ResidentDataset::ResidentDataset(const c10::Device& device, const HostArray& values)
    : isDrawn_(values.isDrawn) {
  const Context context{device, values.isUint8 ? c10::kByte : c10::kFloat, nullptr};
  values_ = zeroed(context, {values.rows, values.columns});
  values_.copy_(hostRows(values, 0, values.rows));
  if (values.labels != nullptr) {
    const at::Tensor host = at::from_blob(const_cast<int32_t*>(values.labels), {values.rows},
                                          c10::TensorOptions().dtype(c10::kInt));
    labels_ = host.to(c10::kLong).to(device);
    const auto [least, most] = std::minmax_element(values.labels, values.labels + values.rows);
    if (values.rows > 0) {
      leastLabel_ = *least;
      mostLabel_ = *most;
    }
  }
  if (!values.isUint8) {
    const auto* floats = static_cast<const float*>(values.data);
    magnitude_ =
        std::bit_cast<float>(largestMagnitudeBits(floats, values.rows, values.columns, values.columns));
  }
}

void ResidentDataset::checkLabels(int64_t classes) const {
  if (!labels_.defined()) {
    throw Error("ERR_SHAPE", "This model is conditioned on labels, and the data set has none");
  }
  // On a GPU libtorch would find out by an assertion, after which the process can use no GPU any more.
  if (leastLabel_ < 0 || mostLabel_ >= classes) {
    throw Error("ERR_RANGE", "Expected labels from 0 to " + std::to_string(classes - 1) +
                                 " but the data set has labels from " + std::to_string(leastLabel_) + " to " +
                                 std::to_string(mostLabel_));
  }
}

at::Tensor ResidentDataset::labelsOf(const Context& context, const at::Tensor& examples,
                                     int64_t classes) const {
  if (context.tiled()) {
    const at::Tensor to = at::empty({examples.size(0), classes}, context.options());
    storeLabels(context, examples, to);
    return to;
  }
  checkLabels(classes);
  return at::one_hot(at::index_select(labels_, 0, examples), classes).to(context.options());
}

void ResidentDataset::storeLabels(const Context& context, const at::Tensor& examples,
                                  const at::Tensor& to) const {
  const int64_t classes = to.size(1);
  if (!context.tiled()) {
    to.copy_(labelsOf(context, examples, classes));
    return;
  }
  checkLabels(classes);
  const int64_t *index = examples.const_data_ptr<int64_t>(), *labels = labels_.const_data_ptr<int64_t>();
  float* row = to.mutable_data_ptr<float>();
  for (int64_t i = 0; i < examples.size(0); ++i, row += to.stride(0)) {
    storeLabel(labels[index[i]], classes, row);
  }
}

// The CPU's way: rows to those of `to`, which may be longer, for the labels; finish(begin, end) follows a
// range of them.
template <class Finish>
void ResidentDataset::gatherTiles(const Context& context, const Rows& wanted, const at::Tensor& to,
                                  const Finish& finish) const {
  // No structured binding: the tiles' threads capture these.
  const int64_t rows = wanted.rows;
  constexpr int64_t kTileRows = 16;
  constexpr int64_t kAhead = 3;
  const int64_t width = columns();
  const int64_t stride = to.size(1);
  const int64_t* labels = stride > width ? labels_.const_data_ptr<int64_t>() : nullptr;
  const bool bytes = values_.scalar_type() == c10::kByte;
  const int64_t* index = wanted.order.const_data_ptr<int64_t>() + wanted.first;
  float* values = to.mutable_data_ptr<float>();
  const int64_t numbers = numbersPerRow(width);
  const int64_t tiles = (rows + kTileRows - 1) / kTileRows;
  // A row's numbers for each tile.
  std::vector<float> drawn(isDrawn_ ? static_cast<size_t>(tiles * numbers) : 0);
  context.pool->run(tiles, [&](int64_t tile) {
    float* uniform = drawn.data() + (isDrawn_ ? tile * numbers : 0);
    const int64_t begin = tile * kTileRows;
    const int64_t end = std::min(rows, begin + kTileRows);
    for (int64_t i = begin; i < end; ++i) {
      float* row = values + i * stride;
      if (bytes) {
        if (i + kAhead < rows) ask(values_.const_data_ptr<uint8_t>() + index[i + kAhead] * width, width);
        scalePixels(values_.const_data_ptr<uint8_t>() + index[i] * width, width, row);
      } else {
        std::copy_n(values_.const_data_ptr<float>() + index[i] * width, width, row);
      }
      if (labels != nullptr) storeLabel(labels[index[i]], stride - width, row + width);
      if (!isDrawn_) continue;
      fillUniform(wanted.draw, (wanted.place + i) * numbers, uniform, numbers);
      drawBinary(uniform, width, row);
    }
    finish(begin, end);
  });
}

void ResidentDataset::gather(const Context& context, const Rows& wanted, Activations& x) const {
  if (context.tiled()) {
    x.magnitude.set(x.value.size(1) > columns() ? std::max(1.0f, magnitude_) : magnitude_);
    gatherTiles(context, wanted, x.value, [&](int64_t begin, int64_t end) { x.finishRows(begin, end); });
    return;
  }
  const at::Tensor to = x.value.narrow(0, 0, wanted.rows);
  to.narrow(1, 0, columns()).copy_(rowsOf(context, wanted));
  const int64_t classes = x.value.size(1) - columns();
  if (classes == 0) return;
  const at::Tensor examples = wanted.order.narrow(0, wanted.first, wanted.rows);
  storeLabels(context, examples, to.narrow(1, columns(), classes));
}

at::Tensor ResidentDataset::rowsOf(const Context& context, const Rows& wanted) const {
  const auto& [order, first, rows, draw, place] = wanted;
  if (context.tiled()) {
    const at::Tensor to = at::empty({rows, columns()}, context.options());
    gatherTiles(context, wanted, to, [](int64_t /*begin*/, int64_t /*end*/) {});
    return to;
  }
  at::Tensor batch = at::index_select(values_, 0, order.narrow(0, first, rows)).to(context.dtype);
  if (values_.scalar_type() == c10::kByte) batch = batch.div(255);
  if (!isDrawn_) return batch;
  const int64_t numbers = numbersPerRow(columns());
  const at::Tensor uniform = at::empty({rows, numbers}, c10::TensorOptions().dtype(c10::kFloat));
  fillUniform(draw, place * numbers, uniform.data_ptr<float>(), uniform.numel());
  return uniform.narrow(1, 0, columns()).to(context.options()).lt(batch).to(context.dtype);
}

}  // namespace torchvae
