#include "fused/vamp_gaussian.h"

#include <algorithm>

#include "base/memory.h"
#include "cpu/gaussian_draw.h"
#include "cpu/pool.h"
#include "cpu/slope.h"
#include "fused/diagonal_gaussian.h"
#include "store/pseudo_inputs.h"

namespace torchvae::fused {
namespace {

float* values(const at::Tensor& tensor) {
  return tensor.mutable_data_ptr<float>();
}

// Calls body(first, last) for ranges of rows.
template <class Body>
void forRows(Pool& pool, int64_t rows, const Body& body) {
  constexpr int64_t kRange = 16;
  pool.run((rows + kRange - 1) / kRange,
           [&](int64_t range) { body(range * kRange, std::min((range + 1) * kRange, rows)); });
}

}  // namespace

DenseSlots VampGaussian::declare(Parameters& parameters, const ModelSpec& spec, const Features& encoded) {
  return DiagonalGaussian::declare(parameters, spec, encoded);
}

VampGaussian::VampGaussian(const Context& context, const Parameters& parameters, const ModelSpec& spec,
                           int64_t capacity)
    : parameters_(parameters),
      latent_(spec.latentSize),
      inputSize_(spec.inputSize()),
      components_(spec.prior.integer("components")),
      offset_(parameters.find(kPseudoInputs)->slot.offset),
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
  forRows(*context.pool, components_, [&](int64_t first, int64_t last) {
    float* to = values(x.value) + (rows + first) * columns;
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
  const float* means = values(head) + rows * 2 * latent_;
  return {rows, components_, latent_, values(codes_), means, means + latent_, 2 * latent_, nullptr};
}

void VampGaussian::sample(const Context& context, const at::Tensor& head, const at::Tensor& noise,
                          int64_t rows, Activations& z, at::Tensor& kl) {
  Pool& pool = *context.pool;
  cpu::drawGaussian(pool, {rows, 1, latent_, values(head), head.size(1), values(noise)}, values(codes_),
                    values(divergence_), values(logQ_));
  cpu::mixtureLogDensities(pool, mixtureOf(head, rows), values(logPrior_), values(shares_));
  const int64_t stride = z.value.size(1);
  z.magnitude.reset();
  forRows(pool, rows, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      values(kl)[i] = values(logQ_)[i] - values(logPrior_)[i];
      std::copy_n(values(codes_) + i * latent_, latent_, values(z.value) + i * stride);
    }
    z.magnitude.include(largestMagnitudeBits(values(z.value) + first * stride, last - first, stride, stride));
    z.finishRows(first, last);
  });
}

void VampGaussian::backward(const Context& context, const at::Tensor& head, const at::Tensor& noise,
                            const CodeGradients& given, int64_t rows, Activations& headGradient) {
  Pool& pool = *context.pool;
  // Of log q - log p, each example's part of the mean.
  const auto ofKl = static_cast<float>(given.beta.beta / static_cast<double>(rows));
  std::fill_n(values(ofLogQ_), rows, ofKl);
  std::fill_n(values(ofLogPrior_), rows, -ofKl);
  const int64_t stride = given.z.size(1), columns = head.size(1);
  float* ofMeans = values(headGradient.value) + rows * columns;
  cpu::mixtureLogDensitiesBackward(pool, mixtureOf(head, rows), values(shares_), values(ofLogPrior_),
                                   {values(ofPrior_), ofMeans, ofMeans + latent_, nullptr});
  for (int64_t i = 0; i < rows; ++i) {
    const float *dz = values(given.z) + i * stride, *more = values(ofPrior_) + i * latent_;
    for (int64_t j = 0; j < latent_; ++j) values(ofCodes_)[i * latent_ + j] = dz[j] + more[j];
  }
  cpu::drawGaussianBackward(pool, {rows, 1, latent_, values(head), columns, values(noise)},
                            {values(ofCodes_), nullptr, values(ofLogQ_)}, values(headGradient.value));
  headGradient.magnitude.reset();
  forRows(pool, rows + components_, [&](int64_t first, int64_t last) {
    headGradient.magnitude.include(
        largestMagnitudeBits(values(headGradient.value) + first * columns, last - first, columns, columns));
    headGradient.finishRows(first, last);
  });
}

void VampGaussian::weightGradients(const Context& context, Parameters& parameters) {
  float* to = values(parameters.gradients) + offset_;
  forRows(*context.pool, components_, [&](int64_t first, int64_t last) {
    const int64_t at = first * inputSize_, count = (last - first) * inputSize_;
    if (isUnit_) {
      cpu::multiplyBySlope(ActivationKind::kSigmoid, values(ofInputs_) + at, values(inputs_) + at, count,
                           to + at);
    } else {
      std::copy_n(values(ofInputs_) + at, count, to + at);
    }
  });
}

}  // namespace torchvae::fused
