#include "fused/fixed_likelihood.h"

#include <cmath>
#include <numbers>

#include "base/table.h"
#include "fused/likelihood_rows.h"
#include "kernels/kernels.h"

namespace torchvae::fused {

struct FixedLikelihoodRow {
  const char* name;
  bool (*covers)(const PartSpec&);
  cpu::LikelihoodTerms (*terms)(const PartSpec&, double columns);
  LikelihoodKind kind;
};

namespace {

bool always(const PartSpec& /*spec*/) {
  return true;
}
bool hasFixedScale(const PartSpec& spec) {
  return spec.word("scale") == "fixed";
}

cpu::LikelihoodTerms noTerms(const PartSpec& /*spec*/, double /*columns*/) {
  return {};
}
cpu::LikelihoodTerms gaussianTerms(const PartSpec& spec, double columns) {
  const double sigma = spec.number("sigma");
  return {1 / (sigma * sigma), columns * std::log(sigma * std::sqrt(2 * std::numbers::pi)),
          spec.word("link") == "sigmoid"};
}
cpu::LikelihoodTerms laplaceTerms(const PartSpec& spec, double columns) {
  const double scale = spec.number("sigma");
  return {1 / scale, columns * std::log(2 * scale), spec.word("link") == "sigmoid"};
}
// The Gaussian's exponent for sigma^2 = 1/2.
cpu::LikelihoodTerms squaredErrorTerms(const PartSpec& spec, double /*columns*/) {
  return {2, 0, spec.word("link") == "sigmoid"};
}

constexpr FixedLikelihoodRow kFixedLikelihoods[] = {
    {"bernoulli", always, noTerms, LikelihoodKind::kBernoulli},
    {"continuous-bernoulli", always, noTerms, LikelihoodKind::kContinuousBernoulli},
    {"gaussian", hasFixedScale, gaussianTerms, LikelihoodKind::kGaussian},
    {"laplace", hasFixedScale, laplaceTerms, LikelihoodKind::kLaplace},
    {"squared-error", always, squaredErrorTerms, LikelihoodKind::kGaussian},
};

}  // namespace

bool FixedLikelihood::holds(const PartSpec& spec) {
  for (const FixedLikelihoodRow& row : kFixedLikelihoods) {
    if (spec.type == row.name) return row.covers(spec);
  }
  return false;
}

FixedLikelihood::FixedLikelihood(const ModelSpec& spec)
    : row_(&rowOf(kFixedLikelihoods, "likelihood", spec.likelihood.type)),
      terms_(row_->terms(spec.likelihood, static_cast<double>(spec.inputSize()))) {}

LikelihoodKind FixedLikelihood::kind() const {
  return row_->kind;
}

template <class C>
void FixedLikelihood::onHost(const Context& context, const at::Tensor& x, const at::Tensor& y, int64_t rows,
                             at::Tensor& loss, Activations* gradient) const {
  const cpu::RowLoss<C> ofRow = cpu::rowLossOf<C>(row_->kind);
  const int64_t columns = y.size(1);
  const C scale = C(1) / static_cast<C>(rows);
  overRows<C>(context, x, y, rows, loss, gradient, [&](int64_t /*row*/, const C* xs, const C* ys, C* slopes) {
    return ofRow(terms_, xs, ys, columns, scale, slopes);
  });
}

void FixedLikelihood::negativeLogProb(const Context& context, const at::Tensor& x, const Activations& y,
                                      int64_t rows, at::Tensor& loss, Activations* gradient) {
  if (context.kernels != nullptr) {
    LikelihoodBatch batch{x, y.value, y.missingBias, y.channels, loss, {}};
    if (gradient != nullptr) batch.gradient = gradient->value;
    ColumnSums none;
    context.kernels->likelihood(row_->kind, terms_, batch, rows,
                                gradient == nullptr ? none : gradient->columnSums);
  } else if (y.value.scalar_type() == c10::kFloat) {
    onHost<float>(context, x, y.value, rows, loss, gradient);
  } else {
    onHost<double>(context, x, y.value, rows, loss, gradient);
  }
}

}  // namespace torchvae::fused
