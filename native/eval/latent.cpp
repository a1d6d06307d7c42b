#include "eval/latent.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/logsumexp.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace torchvae {
namespace {

std::vector<float> toFloats(const Tensor& values) {
  const Tensor host = values.to(c10::kFloat).cpu().contiguous();
  return {host.const_data_ptr<float>(), host.const_data_ptr<float>() + host.numel()};
}

// Rows of the matrix of densities made at a time.
constexpr int64_t kRows = 512;

}  // namespace

void LatentSurvey::add(const Tensor& mean, const Tensor& divergence, const std::optional<Gaussian>& q,
                       const Tensor& z) {
  means_.push_back(mean.to(c10::kDouble));
  divergences_.push_back(divergence.to(c10::kDouble));
  if (!q) return;
  centers_.push_back(q->mean.to(c10::kDouble));
  logVariances_.push_back(q->logVariance.to(c10::kDouble));
  codes_.push_back(z.to(c10::kDouble));
}

LatentStatistics LatentSurvey::finish() const {
  LatentStatistics statistics;
  statistics.meanVariance = toFloats(at::cat(means_).var(0, false));
  statistics.divergence = toFloats(at::cat(divergences_).mean(0));
  statistics.mutualInformation =
      codes_.empty() ? std::numeric_limits<double>::quiet_NaN()
                     : mutualInformation(at::cat(codes_), at::cat(centers_), at::cat(logVariances_));
  return statistics;
}

double mutualInformation(const Tensor& z, const Tensor& mean, const Tensor& logVariance) {
  // log N(z_n; x_m) for all pairs from two products of matrices:
  // (z - mean)^2 / variance = z^2 / variance - 2 z mean / variance + mean^2 / variance.
  const Tensor precision = (-logVariance).exp();
  const Tensor weighted = (mean * precision).t();
  const Tensor constant = (mean.square() * precision + logVariance).sum(1);  // log 2 pi cancels below
  const int64_t count = z.size(0);
  double sum = 0;
  for (int64_t first = 0; first < count; first += kRows) {
    const int64_t rows = std::min(kRows, count - first);
    const Tensor own = z.narrow(0, first, rows);
    const Tensor pairs =
        (own.square().matmul(precision.t()) - own.matmul(weighted) * 2.0 + constant) * -0.5;  // [rows, count]
    const Tensor ofOwn = pairs.diagonal(first, 0, 1);
    sum += (ofOwn - pairs.logsumexp({1})).sum().item<double>();
  }
  return sum / static_cast<double>(count) + std::log(static_cast<double>(count));
}

}  // namespace torchvae
