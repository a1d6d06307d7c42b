#include "fused/diagonal_gaussian.h"

#include <ATen/ops/full.h>
#include <ATen/ops/sum.h>

#include <algorithm>
#include <vector>

#include "cpu/ranges.h"
#include "cpu/vector.h"

namespace torchvae::fused {
namespace {

// Rows of z are `stride` apart.
TORCHVAE_VECTORIZED void sampleRows(const float* head, const float* noise, int64_t rows, int64_t latent,
                                    float* z, int64_t stride, float* kl) {
  for (int64_t i = 0; i < rows; ++i) {
    const float* mean = head + i * 2 * latent;
    const float* logVariance = mean + latent;
    double sum = 0;
    for (int64_t j = 0; j < latent; ++j) {
      const float deviation = vec::exp(0.5f * logVariance[j]);
      z[i * stride + j] = mean[j] + deviation * noise[i * latent + j];
    }
    for (int64_t j = 0; j < latent; ++j) {
      sum += mean[j] * mean[j] + (vec::exp(logVariance[j]) - 1.0f - logVariance[j]);
    }
    kl[i] = static_cast<float>(0.5 * sum);
  }
}

// Rows of dz are `stride` apart; klScale [latent]; `others` [rows, 3 latent] or null.
TORCHVAE_VECTORIZED void backwardRows(const float* head, const float* noise, const float* dz, int64_t stride,
                                      const float* klScale, const float* others, int64_t rows, int64_t latent,
                                      float* gradient) {
  for (int64_t i = 0; i < rows; ++i) {
    const float* mean = head + i * 2 * latent;
    const float* more = others + i * 3 * latent;
    float* meanGradient = gradient + i * 2 * latent;
    for (int64_t j = 0; j < latent; ++j) {
      const float deviation = vec::exp(0.5f * mean[latent + j]);
      const float d = dz[i * stride + j] + (others == nullptr ? 0 : more[j]);
      meanGradient[j] = d + klScale[j] * mean[j];
      meanGradient[latent + j] =
          0.5f * (d * noise[i * latent + j] * deviation + klScale[j] * (deviation * deviation - 1.0f));
    }
    if (others == nullptr) continue;
    for (int64_t j = 0; j < 2 * latent; ++j) meanGradient[j] += more[latent + j];
  }
}

// Calls body(first, last) for ranges of rows, on several threads where there is enough to do.
template <class Body>
void forRows(Pool& pool, int64_t rows, int64_t latent, const Body& body) {
  constexpr int64_t kRange = 32;
  constexpr int64_t kFewValues = 1024;
  if (rows * latent < kFewValues) return body(int64_t{0}, rows);
  forRanges(pool, rows, kRange, body);
}

}  // namespace

DenseSlots DiagonalGaussian::declare(Parameters& parameters, const ModelSpec& spec, const Features& encoded) {
  return declareHead(
      parameters, {{"posterior.mean", spec.latentSize}, {"posterior.logVariance", spec.latentSize}}, encoded);
}

void DiagonalGaussian::sample(const Context& context, const at::Tensor& head, const at::Tensor& noise,
                              int64_t rows, Activations& z, at::Tensor& kl) {
  const int64_t latent = noise.size(1);
  const int64_t stride = z.value.size(1);
  if (context.tiled()) {
    const float* heads = head.data_ptr<float>();
    const float* noises = noise.data_ptr<float>();
    float* values = z.value.data_ptr<float>();
    float* divergences = kl.data_ptr<float>();
    z.magnitude.reset();
    forRows(*context.pool, rows, latent, [&](int64_t first, int64_t last) {
      sampleRows(heads + first * 2 * latent, noises + first * latent, last - first, latent,
                 values + first * stride, stride, divergences + first);
      z.magnitude.include(largestMagnitudeBits(values + first * stride, last - first, stride, stride));
      z.finishRows(first, last);
    });
    return;
  }
  if (context.kernels != nullptr) {
    context.kernels->sample(head, noise, rows, z.value, kl);
    return;
  }
  const at::Tensor mean = head.narrow(0, 0, rows).narrow(1, 0, latent);
  const at::Tensor logVariance = head.narrow(0, 0, rows).narrow(1, latent, latent);
  z.value.narrow(0, 0, rows)
      .narrow(1, 0, latent)
      .copy_(logVariance.mul(0.5).exp_().mul_(noise.narrow(0, 0, rows)).add_(mean));
  at::Tensor divergence = kl.narrow(0, 0, rows);
  at::sum_out(divergence, mean.square().add_(logVariance.exp()).sub_(1).sub_(logVariance), {1});
  divergence.mul_(0.5);
}

void DiagonalGaussian::backward(const Context& context, const at::Tensor& head, const at::Tensor& noise,
                                const CodeGradients& given, int64_t rows, Activations& headGradient) {
  const int64_t latent = noise.size(1);
  const auto& [dz, beta, factors, others] = given;
  if (context.kernels != nullptr) {
    context.kernels->sampleBackward(head, noise, dz, beta, factors, rows, headGradient.value);
    return;
  }
  const double klScale = beta.beta / static_cast<double>(rows);
  if (context.tiled()) {
    float* gradient = headGradient.value.data_ptr<float>();
    const float* heads = head.data_ptr<float>();
    const float* noises = noise.data_ptr<float>();
    const float* dzs = dz.data_ptr<float>();
    const float* more = others.defined() ? others.const_data_ptr<float>() : nullptr;
    const int64_t stride = dz.size(1);
    std::vector<float> scales(static_cast<size_t>(latent), static_cast<float>(klScale));
    if (factors.defined()) {
      for (int64_t j = 0; j < latent; ++j)
        scales[static_cast<size_t>(j)] *= factors.const_data_ptr<float>()[j];
    }
    headGradient.magnitude.reset();
    forRows(*context.pool, rows, latent, [&](int64_t first, int64_t last) {
      float* own = gradient + first * 2 * latent;
      backwardRows(heads + first * 2 * latent, noises + first * latent, dzs + first * stride, stride,
                   scales.data(), more == nullptr ? nullptr : more + first * 3 * latent, last - first, latent,
                   own);
      headGradient.magnitude.include(largestMagnitudeBits(own, last - first, 2 * latent, 2 * latent));
      headGradient.finishRows(first, last);
    });
    return;
  }
  const at::Tensor mean = head.narrow(0, 0, rows).narrow(1, 0, latent);
  const at::Tensor deviation = head.narrow(0, 0, rows).narrow(1, latent, latent).mul(0.5).exp_();
  const at::Tensor d = dz.narrow(0, 0, rows).narrow(1, 0, latent);
  const at::Tensor scale = factors.defined() ? factors.mul(klScale) : at::full({1}, klScale, mean.options());
  at::Tensor gradient = headGradient.value.narrow(0, 0, rows);
  gradient.narrow(1, 0, latent).copy_(mean.mul(scale).add_(d));
  gradient.narrow(1, latent, latent)
      .copy_(d.mul(noise.narrow(0, 0, rows))
                 .mul_(deviation)
                 .add_(deviation.square().sub_(1).mul_(scale))
                 .mul_(0.5));
}

}  // namespace torchvae::fused
