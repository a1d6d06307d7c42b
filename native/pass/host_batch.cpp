#include "pass/host_batch.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/scalar_tensor.h>

#include <bit>

#include "base/host.h"
#include "error.h"

namespace torchvae {

Pass makePass(const Context& context, Draws& draws, const StepSchedule& schedule, bool training) {
  const auto scalar = [&](double value) { return at::scalar_tensor(value, context.options()); };
  return {
      draws, training, {}, scalar(schedule.beta), scalar(schedule.capacity), scalar(schedule.temperature)};
}

Tensor loadLabels(const Context& context, const ModelSpec& spec, const int32_t* labels, int64_t rows) {
  const int64_t classes = spec.condition.classes;
  if (classes == 0) return {};
  if (labels == nullptr) {
    throw Error("ERR_SHAPE", "This model is conditioned on labels: give one for each example");
  }
  for (int64_t i = 0; i < rows; ++i) {
    if (labels[i] >= 0 && labels[i] < classes) continue;
    throw Error("ERR_RANGE", "Expected labels from 0 to " + std::to_string(classes - 1) + " but received " +
                                 std::to_string(labels[i]));
  }
  const Tensor host =
      at::from_blob(const_cast<int32_t*>(labels), {rows}, c10::TensorOptions().dtype(c10::kInt));
  return at::one_hot(host.to(c10::kLong), classes).to(context.options());
}

Tensor loadRows(const Context& context, const ModelSpec& spec, const HostInput& input, Pass& pass) {
  const auto& [x, first, rows, noise] = input;
  pass.labels = loadLabels(context, spec, x.labels == nullptr ? nullptr : x.labels + first, rows);
  const Tensor values = hostRows(x, first, rows).to(context.options());
  return x.isUint8 ? values.div(255) : values.clone();
}

void giveNoise(const Context& context, const HostInput& input, int64_t codeSize, Draws& draws) {
  if (input.noise.values == nullptr) return;
  float* values = const_cast<float*>(input.noise.values) + input.first * codeSize;
  draws.give(at::from_blob(values, {input.rows, codeSize}, kHostFloat).to(context.options()).clone());
}

namespace {

// The finalizer of MurmurHash3, by which every bit of the input reaches every bit of the output.
uint64_t mixed(uint64_t x) {
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

// Pixels count as the numbers that they stand for, and -0 as 0.
uint64_t bitsOf(uint8_t pixel) {
  return std::bit_cast<uint32_t>(static_cast<float>(pixel) / 255.0f);
}
uint64_t bitsOf(float value) {
  return std::bit_cast<uint32_t>(value + 0.0f);
}

template <class T>
uint64_t keyOf(const T* row, int64_t columns) {
  uint64_t key = static_cast<uint64_t>(columns);
  for (int64_t j = 0; j < columns; ++j) key = (key ^ bitsOf(row[j])) * 0x9e3779b97f4a7c15ULL + (key >> 29);
  return mixed(key);
}

}  // namespace

std::vector<uint64_t> keysOfRows(const HostInput& input) {
  const auto& [x, first, rows, noise] = input;
  std::vector<uint64_t> keys;
  keys.reserve(static_cast<size_t>(rows));
  for (int64_t i = first; i < first + rows; ++i) {
    keys.push_back(x.isUint8 ? keyOf(static_cast<const uint8_t*>(x.data) + i * x.columns, x.columns)
                             : keyOf(static_cast<const float*>(x.data) + i * x.columns, x.columns));
  }
  return keys;
}

Draws drawsByRow(const Context& context, const HostInput& input, uint64_t place) {
  Draws draws(context, {input.noise.seed, Stream::kNoise, place});
  draws.drawByRow(keysOfRows(input));
  return draws;
}

}  // namespace torchvae
