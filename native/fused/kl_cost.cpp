#include "fused/kl_cost.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "cpu/vector.h"

namespace torchvae::fused {
namespace {

// sums[j] += 2 KL of dimension j of one row.
TORCHVAE_VECTORIZED void addDivergences(const float* head, int64_t latent, float* terms, double* sums) {
  for (int64_t j = 0; j < latent; ++j) {
    const float logVariance = head[latent + j];
    terms[j] = head[j] * head[j] + (vec::exp(logVariance) - 1.0f - logVariance);
  }
  for (int64_t j = 0; j < latent; ++j) sums[j] += terms[j];
}

// The mean divergence of each dimension over the batch.
std::vector<double> meansOf(const at::Tensor& head, int64_t rows, int64_t latent) {
  std::vector<double> means(static_cast<size_t>(latent));
  if (head.scalar_type() == c10::kFloat) {
    std::vector<float> terms(static_cast<size_t>(latent));
    const float* from = head.const_data_ptr<float>();
    for (int64_t i = 0; i < rows; ++i)
      addDivergences(from + i * 2 * latent, latent, terms.data(), means.data());
  } else {
    const double* from = head.const_data_ptr<double>();
    for (int64_t i = 0; i < rows; ++i, from += 2 * latent) {
      for (int64_t j = 0; j < latent; ++j) {
        means[static_cast<size_t>(j)] +=
            from[j] * from[j] + (std::exp(from[latent + j]) - 1 - from[latent + j]);
      }
    }
  }
  for (double& mean : means) mean /= 2 * static_cast<double>(rows);
  return means;
}

}  // namespace

KlCost::KlCost(const Context& context, const PartSpec& objective, int64_t latentSize) : context_(context) {
  if (objective.type == "elbo") price_ = {objective.number("freeBits"), objective.flag("hasCapacity")};
  if (price_.isPlain()) return;
  factors_ = at::zeros({latentSize}, context.options());
  cost_ = at::zeros({1}, c10::TensorOptions().device(context.device).dtype(c10::kDouble));
}

void KlCost::evaluate(const at::Tensor& head, const KlWeight& weight, int64_t rows) {
  if (isPlain()) return;
  if (context_.kernels != nullptr) {
    context_.kernels->klCost(price_, head, weight, rows, factors_, cost_);
    return;
  }
  const std::vector<double> means = meansOf(head, rows, factors_.size(0));
  double* cost = cost_.mutable_data_ptr<double>();
  if (price_.hasCapacity) {
    const double over = std::accumulate(means.begin(), means.end(), 0.0) - weight.capacity;
    *cost = std::abs(over);
    factors_.fill_(over > 0 ? 1 : (over < 0 ? -1 : 0));
    return;
  }
  *cost = 0;
  for (size_t j = 0; j < means.size(); ++j) {
    const bool isFree = means[j] < price_.freeBits;
    *cost += isFree ? price_.freeBits : means[j];
    if (factors_.scalar_type() == c10::kFloat) {
      factors_.mutable_data_ptr<float>()[j] = isFree ? 0 : 1;
    } else {
      factors_.mutable_data_ptr<double>()[j] = isFree ? 0 : 1;
    }
  }
}

}  // namespace torchvae::fused
