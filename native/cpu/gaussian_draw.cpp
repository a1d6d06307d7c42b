#include "cpu/gaussian_draw.h"

#include <algorithm>

#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

constexpr float kLogTwoPi = 1.8378770664093453f;

TORCHVAE_VECTORIZED void drawRows(const GaussianHead& q, int64_t first, int64_t last, float* z,
                                  float* divergence, float* logQ) {
  const int64_t n = q.latent;
  for (int64_t row = first; row < last; ++row) {
    const float* mean = q.head + row * q.headRow;
    const float* logVariance = mean + n;
    for (int64_t j = 0; j < n; ++j) {
      divergence[row * n + j] =
          0.5f * (mean[j] * mean[j] + (vec::exp(logVariance[j]) - 1.0f - logVariance[j]));
    }
    for (int64_t i = row * q.draws; i < (row + 1) * q.draws; ++i) {
      const float* noise = q.noise + i * n;
      for (int64_t j = 0; j < n; ++j) z[i * n + j] = mean[j] + vec::exp(0.5f * logVariance[j]) * noise[j];
      double sum = 0;
      for (int64_t j = 0; j < n; ++j) sum += noise[j] * noise[j] + logVariance[j] + kLogTwoPi;
      logQ[i] = static_cast<float>(-0.5 * sum);
    }
  }
}

// Of one row: what its divergence and the densities of its draws ask for.
TORCHVAE_INLINE void beginRow(const float* mean, const float* dDivergence, float ofLogQ, int64_t n,
                              float* to) {
  for (int64_t j = 0; j < n; ++j) {
    const float dd = dDivergence == nullptr ? 0.0f : dDivergence[j];
    to[j] = dd * mean[j];
    to[n + j] = 0.5f * dd * (vec::exp(mean[n + j]) - 1.0f) + ofLogQ;
  }
}

TORCHVAE_VECTORIZED void backRows(const GaussianHead& q, const GaussianGradients& g, int64_t first,
                                  int64_t last, float* to) {
  const int64_t n = q.latent;
  for (int64_t row = first; row < last; ++row) {
    const float* mean = q.head + row * q.headRow;
    float* ofMean = to + row * q.headRow;
    float* ofLogVariance = ofMean + n;
    // At the drawn z the density is that of the noise: -(noise^2 + logVariance + log 2 pi) / 2.
    float ofLogQ = 0;
    if (g.logQ != nullptr) {
      for (int64_t i = row * q.draws; i < (row + 1) * q.draws; ++i) ofLogQ -= 0.5f * g.logQ[i];
    }
    beginRow(mean, g.divergence == nullptr ? nullptr : g.divergence + row * n, ofLogQ, n, ofMean);
    if (g.z == nullptr) continue;
    for (int64_t i = row * q.draws; i < (row + 1) * q.draws; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        const float dz = g.z[i * n + j];
        ofMean[j] += dz;
        ofLogVariance[j] += 0.5f * dz * q.noise[i * n + j] * vec::exp(0.5f * mean[n + j]);
      }
    }
  }
}

// Calls body(first, last) for ranges of rows, on several threads where there is enough to do.
template <class Body>
void forRows(Pool& pool, const GaussianHead& q, const Body& body) {
  constexpr int64_t kDraws = 32;
  constexpr int64_t kFewValues = 1024;
  if (q.rows * q.draws * q.latent < kFewValues) return body(int64_t{0}, q.rows);
  const int64_t range = std::max<int64_t>(1, kDraws / q.draws);
  pool.run((q.rows + range - 1) / range,
           [&](int64_t i) { body(i * range, std::min((i + 1) * range, q.rows)); });
}

}  // namespace

void drawGaussian(Pool& pool, const GaussianHead& q, float* z, float* divergence, float* logQ) {
  forRows(pool, q, [&](int64_t first, int64_t last) { drawRows(q, first, last, z, divergence, logQ); });
}

void standardNormalLogDensity(const float* z, int64_t rows, int64_t latent, float* logDensity) {
  for (int64_t i = 0; i < rows; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < latent; ++j) sum += z[i * latent + j] * z[i * latent + j] + kLogTwoPi;
    logDensity[i] = static_cast<float>(-0.5 * sum);
  }
}

TORCHVAE_VECTORIZED void standardNormalLogDensityBackward(const float* z, const float* gradient, int64_t rows,
                                                          int64_t latent, float* dz) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = i * latent; j < (i + 1) * latent; ++j) dz[j] = -gradient[i] * z[j];
  }
}

void drawGaussianBackward(Pool& pool, const GaussianHead& q, const GaussianGradients& gradients, float* to) {
  forRows(pool, q, [&](int64_t first, int64_t last) { backRows(q, gradients, first, last, to); });
}

}  // namespace torchvae::cpu
