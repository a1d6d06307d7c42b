// The unbiased estimate of the squared maximum mean discrepancy between two samples (Gretton et al. 2012, eq.
// 3), with its gradient, without a matrix of distances.
#pragma once

#include <array>
#include <cstdint>

#include "cpu/pool.h"

namespace torchvae::cpu {

// The kernel is a sum over these of k_c(d) of a squared distance d, with c = unit * scale: exp(-d / c) if
// `isRadial`, else c / (d + c), the inverse multiquadratics of Tolstikhin et al. (2018).
constexpr std::array<double, 7> kKernelScales{0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0};

// Two samples of n points each, below each other: points [2 n, dimensions], row-major.
struct TwoSamples {
  int64_t n, dimensions;
  const float* points;
  double unit;
  bool isRadial;
};

// Returns the estimate. Its gradient in the first `wanted` points goes to `gradient` [wanted, dimensions],
// which may be null for none.
double discrepancy(Pool& pool, const TwoSamples& samples, int64_t wanted, float* gradient);

}  // namespace torchvae::cpu
