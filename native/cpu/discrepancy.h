// The unbiased estimate of the squared maximum mean discrepancy between two samples (Gretton et al. 2012, eq.
// 3), with its gradient, without a matrix of distances.
#pragma once

#include <array>
#include <cstdint>

#include "cpu/pool.h"

namespace torchvae::cpu {

// The kernel is a sum over these of k_c(d) of a squared distance d, with c = kernelUnit * scale: exp(-d / c)
// if `isRadial`, else c / (d + c), the inverse multiquadratics of Tolstikhin et al. (2018).
constexpr std::array<double, 7> kKernelScales{0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0};

// Of points of so many dimensions: the squared distance of two draws of N(0, I), on average.
constexpr double kernelUnit(int64_t dimensions) {
  return 2.0 * static_cast<double>(dimensions);
}

// Two samples of n >= 2 points each, row-major; rows lie `firstRow` and `secondRow` apart.
struct TwoSamples {
  int64_t n, dimensions;
  const float* first;
  int64_t firstRow;
  const float* second;
  int64_t secondRow;
  bool isRadial;
};

// Where the gradients of `factor` times the estimate go, rows that lie `row` apart; null for none.
struct DiscrepancyGradients {
  float* first = nullptr;
  float* second = nullptr;
  int64_t row = 0;
  double factor = 1;
};

// Returns the estimate.
double discrepancy(Pool& pool, const TwoSamples& samples, const DiscrepancyGradients& to);

}  // namespace torchvae::cpu
