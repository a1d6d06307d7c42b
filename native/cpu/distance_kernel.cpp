#include "cpu/distance_kernel.h"

#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

template <bool kRadial>
TORCHVAE_VECTORIZED void addKernel(const float* distance, int64_t count, float c, float* value,
                                   float* slope) {
  const float inverse = 1.0f / c;
  for (int64_t i = 0; i < count; ++i) {
    const float k = kRadial ? vec::exp(-distance[i] * inverse) : c / (distance[i] + c);
    value[i] += k;
    slope[i] -= (kRadial ? k : k * k) * inverse;
  }
}

constexpr int64_t kBlock = 1024;  // stays in the first-level cache over all scales

}  // namespace

void distanceKernels(const float* distance, int64_t count, const double* scales, int64_t scaleCount,
                     double unit, bool isRadial, float* value, float* slope) {
  float unread[kBlock];
  for (int64_t first = 0; first < count; first += kBlock) {
    const int64_t length = count - first < kBlock ? count - first : kBlock;
    float* slopes = slope == nullptr ? unread : slope + first;
    for (int64_t i = 0; i < length; ++i) value[first + i] = slopes[i] = 0;
    for (int64_t s = 0; s < scaleCount; ++s) {
      const auto add = isRadial ? addKernel<true> : addKernel<false>;
      add(distance + first, length, static_cast<float>(unit * scales[s]), value + first, slopes);
    }
  }
}

}  // namespace torchvae::cpu
