// Kernels of the maximum mean discrepancy, as functions of squared distances.
#pragma once

#include <cstdint>

namespace torchvae::cpu {

// value = sum over `scales` of k_c(d) with c = unit * scale, and slope = its derivative in d unless null.
// k_c(d) is exp(-d / c) if `isRadial`, else c / (d + c).
void distanceKernels(const float* distance, int64_t count, const double* scales, int64_t scaleCount,
                     double unit, bool isRadial, float* value, float* slope);

}  // namespace torchvae::cpu
