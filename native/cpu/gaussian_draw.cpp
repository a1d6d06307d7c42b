#include "cpu/gaussian_draw.h"

#include <algorithm>

#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

constexpr float kLogTwoPi = 1.8378770664093453f;

TORCHVAE_VECTORIZED void drawRows(const GaussianHead& q, int64_t first, int64_t last, float* z,
                                  float* divergence, float* logQ) {
  const int64_t n = q.latent;
  for (int64_t i = first; i < last; ++i) {
    const float* mean = q.head + i * 2 * n;
    const float* logVariance = mean + n;
    const float* noise = q.noise + i * n;
    for (int64_t j = 0; j < n; ++j) {
      const float deviation = vec::exp(0.5f * logVariance[j]);
      z[i * n + j] = mean[j] + deviation * noise[j];
      divergence[i * n + j] = 0.5f * (mean[j] * mean[j] + (vec::exp(logVariance[j]) - 1.0f - logVariance[j]));
    }
    double sum = 0;
    for (int64_t j = 0; j < n; ++j) sum += noise[j] * noise[j] + logVariance[j] + kLogTwoPi;
    logQ[i] = static_cast<float>(-0.5 * sum);
  }
}

TORCHVAE_VECTORIZED void backRows(const GaussianHead& q, const GaussianGradients& g, int64_t first,
                                  int64_t last, float* to) {
  const int64_t n = q.latent;
  for (int64_t i = first; i < last; ++i) {
    const float* mean = q.head + i * 2 * n;
    float* ofMean = to + i * 2 * n;
    float* ofLogVariance = ofMean + n;
    // At the drawn z the density is that of the noise: -(noise^2 + logVariance + log 2 pi) / 2.
    const float ofLogQ = g.logQ == nullptr ? 0.0f : -0.5f * g.logQ[i];
    for (int64_t j = 0; j < n; ++j) {
      const float dz = g.z == nullptr ? 0.0f : g.z[i * n + j];
      const float dd = g.divergence == nullptr ? 0.0f : g.divergence[i * n + j];
      const float deviation = vec::exp(0.5f * mean[n + j]);
      ofMean[j] = dz + dd * mean[j];
      ofLogVariance[j] =
          0.5f * (dz * q.noise[i * n + j] * deviation + dd * (deviation * deviation - 1.0f)) + ofLogQ;
    }
  }
}

// Calls body(first, last) for ranges of rows, on several threads where there is enough to do.
template <class Body>
void forRows(Pool& pool, const GaussianHead& q, const Body& body) {
  constexpr int64_t kRange = 32;
  constexpr int64_t kFewValues = 1024;
  if (q.rows * q.latent < kFewValues) return body(int64_t{0}, q.rows);
  pool.run((q.rows + kRange - 1) / kRange,
           [&](int64_t range) { body(range * kRange, std::min((range + 1) * kRange, q.rows)); });
}

}  // namespace

void drawGaussian(Pool& pool, const GaussianHead& q, float* z, float* divergence, float* logQ) {
  forRows(pool, q, [&](int64_t first, int64_t last) { drawRows(q, first, last, z, divergence, logQ); });
}

void drawGaussianBackward(Pool& pool, const GaussianHead& q, const GaussianGradients& gradients, float* to) {
  forRows(pool, q, [&](int64_t first, int64_t last) { backRows(q, gradients, first, last, to); });
}

}  // namespace torchvae::cpu
