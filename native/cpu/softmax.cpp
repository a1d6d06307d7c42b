#include "cpu/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/lane_sum.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

}  // namespace

TORCHVAE_VECTORIZED Softmax softmaxExponentials(float* values, int64_t count) {
  const int64_t whole = count / 16 * 16;
  float lanes[16];
  std::fill_n(lanes, 16, kLowest);
  for (int64_t j = 0; j < whole; j += 16) {
    for (int64_t k = 0; k < 16; ++k) lanes[k] = values[j + k] > lanes[k] ? values[j + k] : lanes[k];
  }
  float largest = kLowest;
  for (const float lane : lanes) largest = std::max(largest, lane);
  for (int64_t j = whole; j < count; ++j) largest = std::max(largest, values[j]);
  if (largest == kLowest) {
    // Of nothing but minus infinity, which no exponential tells from small numbers, or of NaN.
    const bool isNan = std::any_of(values, values + count, [](float value) { return std::isnan(value); });
    return {isNan ? std::numeric_limits<float>::quiet_NaN() : kLowest, 0};
  }
  for (int64_t j = 0; j < count; ++j) values[j] = vec::exp(values[j] - largest);
  LaneSum sum;
  for (int64_t j = 0; j < whole; j += 16) {
    for (int64_t k = 0; k < 16; ++k) sum.lane[k] += values[j + k];
  }
  for (int64_t j = whole; j < count; ++j) sum.lane[j - whole] += values[j];
  const auto total = static_cast<float>(sum.total());
  return {largest + std::log(total), 1.0f / total};
}

}  // namespace torchvae::cpu
