#include "cpu/importance.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/ranges.h"

namespace torchvae::cpu {

ImportanceBound importanceBound(const float* reconstruction, const float* logQ, const float* logPrior,
                                int64_t k, float* share) {
  std::vector<double> logWeight(static_cast<size_t>(k));
  ImportanceBound bound{};
  for (int64_t i = 0; i < k; ++i) {
    const double rate = static_cast<double>(logQ[i]) - logPrior[i];
    logWeight[static_cast<size_t>(i)] = -reconstruction[i] - rate;
    bound.reconstruction += reconstruction[i];
    bound.rate += rate;
  }
  const double largest = *std::ranges::max_element(logWeight);
  double sum = 0;
  for (const double weight : logWeight) sum += std::exp(weight - largest);
  for (int64_t i = 0; i < k; ++i) {
    share[i] = static_cast<float>(std::exp(logWeight[static_cast<size_t>(i)] - largest) / sum);
  }
  const auto count = static_cast<double>(k);
  bound.cost = std::log(count) - largest - std::log(sum);
  bound.reconstruction /= count;
  bound.rate /= count;
  return bound;
}

void repeatRows(Pool& pool, const float* x, int64_t rows, int64_t columns, int64_t k, float* to) {
  constexpr int64_t kRows = 8;
  forRanges(pool, rows * k, kRows, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) std::copy_n(x + i / k * columns, columns, to + i * columns);
  });
}

}  // namespace torchvae::cpu
