// Importance weights over k draws of each example (Burda et al. 2016, eq. 8).
#pragma once

#include <cstdint>

#include "cpu/pool.h"

namespace torchvae::cpu {

// Of one example: -log (1/k) sum p(x, z) / q(z|x), and the means of -log p(x|z) and log q - log p(z).
struct ImportanceBound {
  double cost, reconstruction, rate;
};
// From -log p(x|z), log q(z|x) and log p(z) of its draws, [k]; share [k] becomes each draw's part in the sum
// of weights.
ImportanceBound importanceBound(const float* reconstruction, const float* logQ, const float* logPrior,
                                int64_t k, float* share);

// to [rows k, columns]: each row of x k times.
void repeatRows(Pool& pool, const float* x, int64_t rows, int64_t columns, int64_t k, float* to);

}  // namespace torchvae::cpu
