#include "fused/vamp_gaussian.h"

#include <algorithm>

#include "base/floats.h"
#include "base/memory.h"
#include "cpu/gaussian_draw.h"
#include "cpu/ranges.h"
#include "cpu/slope.h"
#include "fused/diagonal_gaussian.h"
#include "store/pseudo_inputs.h"

namespace torchvae::fused {
namespace {

constexpr int64_t kVampRange = 16;  // rows that a thread takes at a time

}  // namespace

DenseSlots VampGaussian::declare(Parameters& parameters, const ModelSpec& spec, const Features& encoded) {
  return DiagonalGaussian::declare(parameters, spec, encoded);
}

VampGaussian::VampGaussian(const Context& context, const Store& store, const ModelSpec& spec,
                           int64_t capacity)
    : parameters_(store.model),
      latent_(spec.latentSize),
      inputSize_(spec.inputSize()),
      components_(spec.prior.integer("components")),
      offset_(parameters_.find(kPseudoInputs)->slot.offset),
      isUnit_(areUnitInputs(spec.likelihood)),
      ofInputs_(zeroed(context, {components_, inputSize_})),
      codes_(zeroed(context, {capacity, latent_})),
      ofCodes_(zeroed(context, {capacity, latent_})),
      ofPrior_(zeroed(context, {capacity, latent_})),
      divergence_(zeroed(context, {capacity, latent_})),
      logQ_(zeroed(context, {capacity})),
      logPrior_(zeroed(context, {capacity})),
      ofLogQ_(zeroed(context, {capacity})),
      ofLogPrior_(zeroed(context, {capacity})),
      shares_(zeroed(context, {capacity, components_})) {}

void VampGaussian::appendRows(const Context& context, int64_t rows, Activations& x) {
  const float* weights = parameters_.values.const_data_ptr<float>() + offset_;
  const int64_t columns = x.value.size(1);
  forRanges(*context.pool, components_, kVampRange, [&](int64_t first, int64_t last) {
    float* to = floats(x.value) + (rows + first) * columns;
    if (isUnit_) {
      cpu::applyActivation(ActivationKind::kSigmoid, weights + first * columns, (last - first) * columns, to,
                           nullptr);
    } else {
      std::copy_n(weights + first * columns, (last - first) * columns, to);
    }
    x.magnitude.include(largestMagnitudeBits(to, last - first, columns, columns));
    x.finishRows(rows + first, rows + last);
  });
  inputs_ = x.value.narrow(0, rows, components_);
}

cpu::NormalMixture VampGaussian::mixtureOf(const at::Tensor& head, int64_t rows) const {
  const float* means = floats(head) + rows * 2 * latent_;
  return {rows, components_, latent_, floats(codes_), means, means + latent_, 2 * latent_, nullptr};
}

void VampGaussian::sample(const Context& context, const at::Tensor& head, const at::Tensor& noise,
                          int64_t rows, Activations& z, at::Tensor& kl) {
  Pool& pool = *context.pool;
  cpu::drawGaussian(pool, {rows, 1, latent_, floats(head), head.size(1), floats(noise)}, floats(codes_),
                    floats(divergence_), floats(logQ_));
  cpu::mixtureLogDensities(pool, mixtureOf(head, rows), floats(logPrior_), floats(shares_));
  const int64_t stride = z.value.size(1);
  z.magnitude.reset();
  forRanges(pool, rows, kVampRange, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      floats(kl)[i] = floats(logQ_)[i] - floats(logPrior_)[i];
      std::copy_n(floats(codes_) + i * latent_, latent_, floats(z.value) + i * stride);
    }
    z.magnitude.include(largestMagnitudeBits(floats(z.value) + first * stride, last - first, stride, stride));
    z.finishRows(first, last);
  });
}

void VampGaussian::backward(const Context& context, const at::Tensor& head, const at::Tensor& noise,
                            const CodeGradients& given, int64_t rows, Activations& headGradient) {
  Pool& pool = *context.pool;
  // Of log q - log p, each example's part of the mean.
  const auto ofKl = static_cast<float>(given.beta.beta / static_cast<double>(rows));
  std::fill_n(floats(ofLogQ_), rows, ofKl);
  std::fill_n(floats(ofLogPrior_), rows, -ofKl);
  const int64_t stride = given.z.size(1), columns = head.size(1);
  float* ofMeans = floats(headGradient.value) + rows * columns;
  cpu::mixtureLogDensitiesBackward(pool, mixtureOf(head, rows), floats(shares_), floats(ofLogPrior_),
                                   {floats(ofPrior_), ofMeans, ofMeans + latent_, nullptr});
  for (int64_t i = 0; i < rows; ++i) {
    const float *dz = floats(given.z) + i * stride, *more = floats(ofPrior_) + i * latent_;
    for (int64_t j = 0; j < latent_; ++j) floats(ofCodes_)[i * latent_ + j] = dz[j] + more[j];
  }
  cpu::drawGaussianBackward(pool, {rows, 1, latent_, floats(head), columns, floats(noise)},
                            {floats(ofCodes_), nullptr, floats(ofLogQ_)}, floats(headGradient.value));
  headGradient.magnitude.reset();
  forRanges(pool, rows + components_, kVampRange, [&](int64_t first, int64_t last) {
    headGradient.magnitude.include(
        largestMagnitudeBits(floats(headGradient.value) + first * columns, last - first, columns, columns));
    headGradient.finishRows(first, last);
  });
}

void VampGaussian::weightGradients(const Context& context, Parameters& parameters) {
  float* to = floats(parameters.gradients) + offset_;
  forRanges(*context.pool, components_, kVampRange, [&](int64_t first, int64_t last) {
    const int64_t at = first * inputSize_, count = (last - first) * inputSize_;
    if (isUnit_) {
      cpu::multiplyBySlope(ActivationKind::kSigmoid, floats(ofInputs_) + at, floats(inputs_) + at, count,
                           to + at);
    } else {
      std::copy_n(floats(ofInputs_) + at, count, to + at);
    }
  });
}

}  // namespace torchvae::fused
