#include "fused/total_correlation_cost.h"

#include <algorithm>

#include "cpu/vector.h"

namespace torchvae::fused {
namespace {

constexpr float kLogTwoPi = 1.8378770664093453f;

// Sums over the batch.
struct LogDensities {
  double posterior = 0, prior = 0;
};

// log q(z|x) = -1/2 sum (noise^2 + logVariance + log 2 pi), log p(z) = -1/2 sum (z^2 + log 2 pi). Rows of z
// are `stride` apart.
TORCHVAE_VECTORIZED LogDensities logDensities(const float* head, const float* noise, const float* z,
                                              int64_t stride, int64_t rows, int64_t latent) {
  LogDensities sums;
  for (int64_t i = 0; i < rows; ++i) {
    const float* logVariance = head + i * 2 * latent + latent;
    float posterior = 0, prior = 0;
    for (int64_t j = 0; j < latent; ++j) {
      const float e = noise[i * latent + j], code = z[i * stride + j];
      posterior += e * e + logVariance[j] + kLogTwoPi;
      prior += code * code + kLogTwoPi;
    }
    sums.posterior -= 0.5 * posterior;
    sums.prior -= 0.5 * prior;
  }
  return sums;
}

// Adds the gradients of the terms that are no sums over pairs: `ofZ` z in z, `ofLogVariance` in each
// log-variance. Rows of the gradients, [rows, 3 latent], are in z, the mean and the log-variance.
TORCHVAE_VECTORIZED void addGradients(const float* z, int64_t stride, int64_t rows, int64_t latent, float ofZ,
                                      float ofLogVariance, float* gradients) {
  for (int64_t i = 0; i < rows; ++i) {
    float* own = gradients + i * 3 * latent;
    for (int64_t j = 0; j < latent; ++j) {
      own[j] += ofZ * z[i * stride + j];
      own[2 * latent + j] += ofLogVariance;
    }
  }
}

double sumOf(const std::vector<float>& values, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += values[static_cast<size_t>(i)];
  return sum;
}

}  // namespace

TotalCorrelationCost::TotalCorrelationCost(const Context& context, const PartSpec& objective,
                                           int64_t latentSize, int64_t capacity)
    : AggregateCost(context, 3, latentSize, capacity),
      latentSize_(latentSize),
      isStratified_(objective.word("estimator") == "stratified"),
      alpha_(objective.number("alpha")),
      gamma_(objective.number("gamma")),
      posterior_(*context.pool),
      joint_(static_cast<size_t>(capacity)),
      product_(joint_.size()),
      jointSlope_(joint_.size()),
      productSlope_(joint_.size()) {}

void TotalCorrelationCost::evaluate(const CodeBatch& b, double beta, bool withGradient) {
  const int64_t rows = b.rows;
  const auto count = static_cast<double>(rows);
  const float *heads = b.head.const_data_ptr<float>(), *codes = b.z.const_data_ptr<float>();
  const cpu::BatchPosteriors batch{
      rows,  latentSize_,         codes,           b.z.size(1),
      heads, heads + latentSize_, 2 * latentSize_, cpu::pairWeights(isStratified_, rows, b.examples)};
  const cpu::AggregateDensities to{joint_.data(), product_.data()};
  if (withGradient) {
    std::fill_n(jointSlope_.begin(), rows, static_cast<float>((beta - alpha_) / count));
    std::fill_n(productSlope_.begin(), rows, static_cast<float>((gamma_ - beta) / count));
    float* gradients = gradients_.mutable_data_ptr<float>();
    const cpu::AggregateGradients places{
        jointSlope_.data(),      productSlope_.data(),        gradients,
        gradients + latentSize_, gradients + 2 * latentSize_, 3 * latentSize_};
    posterior_.evaluate(batch, to, &places);
    addGradients(codes, b.z.size(1), rows, latentSize_, static_cast<float>(gamma_ / count),
                 static_cast<float>(-0.5 * alpha_ / count), gradients);
  } else {
    posterior_.evaluate(batch, to, nullptr);
  }
  const LogDensities sums =
      logDensities(heads, b.noise.const_data_ptr<float>(), codes, b.z.size(1), rows, latentSize_);
  const double joint = sumOf(joint_, rows), product = sumOf(product_, rows);
  terms_ = {(sums.posterior - joint) / count, (joint - product) / count, (product - sums.prior) / count};
  cost_ = alpha_ * terms_[0] + beta * terms_[1] + gamma_ * terms_[2];
}

}  // namespace torchvae::fused
