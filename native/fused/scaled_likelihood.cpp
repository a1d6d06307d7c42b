#include "fused/scaled_likelihood.h"

#include <algorithm>
#include <cmath>

#include "base/memory.h"
#include "fused/likelihood_rows.h"

namespace torchvae::fused {
namespace {

constexpr const char* kLogScale = "likelihood.logSigma";
constexpr int64_t kLine = 16;  // values: threads write to no cache line together

bool hasScale(const PartSpec& spec, const char* scale) {
  return (spec.type == "gaussian" || spec.type == "laplace") && spec.word("scale") == scale;
}

cpu::ScaleTerms termsOf(const PartSpec& spec) {
  const LikelihoodKind kind = spec.type == "laplace" ? LikelihoodKind::kLaplace : LikelihoodKind::kGaussian;
  return cpu::scaleTermsOf(kind, spec.word("link") == "sigmoid");
}

int64_t scalesOf(const ModelSpec& spec) {
  return hasScale(spec.likelihood, "per-dimension") ? spec.inputSize() : 1;
}

}  // namespace

bool LearnedScale::holds(const PartSpec& spec) {
  return hasScale(spec, "learned") || hasScale(spec, "per-dimension");
}

void LearnedScale::declare(Parameters& parameters, const ModelSpec& spec) {
  parameters.add(kLogScale, {scalesOf(spec)}, Init::constant(std::log(spec.likelihood.number("sigma"))));
}

LearnedScale::LearnedScale(const Context& context, const Parameters& parameters, const ModelSpec& spec,
                           int64_t capacity)
    : parameters_(parameters),
      terms_(termsOf(spec.likelihood)),
      columns_(spec.inputSize()),
      scales_(scalesOf(spec)),
      offset_(parameters.find(kLogScale)->slot.offset),
      precision_(zeroed(context, {columns_})),
      parts_(zeroed(context, {tilesOf(capacity), (columns_ + kLine - 1) / kLine * kLine})) {}

template <class C>
void LearnedScale::overBatch(const Context& context, const at::Tensor& x, const at::Tensor& y, int64_t rows,
                             at::Tensor& loss, Activations* gradient) {
  const cpu::ScaledRow<C> ofRow = cpu::scaledRowOf<C>(terms_.kind);
  C* precision = precision_.mutable_data_ptr<C>();
  const double logNormalizer = cpu::fillPrecisions(terms_, parameters_.values.const_data_ptr<C>() + offset_,
                                                   scales_, columns_, precision);
  C* parts = parts_.mutable_data_ptr<C>();
  const int64_t stride = parts_.size(1);
  const C scale = C(1) / static_cast<C>(rows);
  tiles_ = tilesOf(rows);
  overRows<C>(context, x, y, rows, loss, gradient, [&](int64_t row, const C* xs, const C* ys, C* slopes) {
    C* own = parts + row / kTileRows * stride;
    if (row % kTileRows == 0) std::fill_n(own, columns_, C(0));
    return ofRow(terms_.sigmoid, precision, xs, ys, columns_, scale, slopes, own) + logNormalizer;
  });
}

void LearnedScale::negativeLogProb(const Context& context, const at::Tensor& x, const Activations& y,
                                   int64_t rows, at::Tensor& loss, Activations* gradient) {
  if (y.value.scalar_type() == c10::kFloat) {
    overBatch<float>(context, x, y.value, rows, loss, gradient);
  } else {
    overBatch<double>(context, x, y.value, rows, loss, gradient);
  }
}

template <class C>
void LearnedScale::writeGradients(C* to) const {
  const cpu::ScaleParts<C> parts{parts_.const_data_ptr<C>(), tiles_, parts_.size(1), columns_};
  cpu::logScaleSlopes(terms_, 1.0, parts, scales_, to);
}

void LearnedScale::weightGradients(const Context& /*context*/, Parameters& parameters) {
  if (parameters.gradients.scalar_type() == c10::kFloat) {
    writeGradients(parameters.gradients.mutable_data_ptr<float>() + offset_);
  } else {
    writeGradients(parameters.gradients.mutable_data_ptr<double>() + offset_);
  }
}

bool PredictedScale::holds(const PartSpec& spec) {
  return hasScale(spec, "predicted");
}

PredictedScale::PredictedScale(const Context& /*context*/, const Parameters& /*parameters*/,
                               const ModelSpec& spec, int64_t /*capacity*/)
    : terms_(termsOf(spec.likelihood)), columns_(spec.inputSize()) {}

template <class C>
void PredictedScale::overBatch(const Context& context, const at::Tensor& x, const at::Tensor& y, int64_t rows,
                               at::Tensor& loss, Activations* gradient) const {
  const cpu::PredictedRow<C> ofRow = cpu::predictedRowOf<C>(terms_.kind);
  const C scale = C(1) / static_cast<C>(rows);
  overRows<C>(context, x, y, rows, loss, gradient, [&](int64_t /*row*/, const C* xs, const C* ys, C* slopes) {
    return ofRow(terms_, xs, ys, columns_, scale, slopes);
  });
}

void PredictedScale::negativeLogProb(const Context& context, const at::Tensor& x, const Activations& y,
                                     int64_t rows, at::Tensor& loss, Activations* gradient) {
  if (y.value.scalar_type() == c10::kFloat) {
    overBatch<float>(context, x, y.value, rows, loss, gradient);
  } else {
    overBatch<double>(context, x, y.value, rows, loss, gradient);
  }
}

}  // namespace torchvae::fused
