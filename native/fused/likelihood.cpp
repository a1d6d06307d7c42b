#include "fused/likelihood.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/table.h"
#include "cpu/pool.h"

namespace torchvae::fused {

struct LikelihoodRow {
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

constexpr LikelihoodRow kTable[] = {
    {"bernoulli", always, noTerms, LikelihoodKind::kBernoulli},
    {"continuous-bernoulli", always, noTerms, LikelihoodKind::kContinuousBernoulli},
    {"gaussian", hasFixedScale, gaussianTerms, LikelihoodKind::kGaussian},
    {"laplace", hasFixedScale, laplaceTerms, LikelihoodKind::kLaplace},
    {"squared-error", always, squaredErrorTerms, LikelihoodKind::kGaussian},
};

// Sixteen rows a tile, so that a column of a tile fills one cache line of the transposed gradient.
constexpr int64_t kTileRows = 16;

template <class C>
void overRows(const cpu::LikelihoodTerms& terms, LikelihoodKind kind, const Context& context,
              const at::Tensor& x, const at::Tensor& y, int64_t rows, at::Tensor& loss,
              Activations* gradient) {
  const cpu::RowLoss<C> ofRow = cpu::rowLossOf<C>(kind);
  const int64_t columns = y.size(1);
  const int64_t stride = x.size(1);
  const C* xs = x.const_data_ptr<C>();
  const C* ys = y.const_data_ptr<C>();
  C* losses = loss.mutable_data_ptr<C>();
  C* slopes = gradient == nullptr ? nullptr : gradient->value.mutable_data_ptr<C>();
  const C scale = C(1) / static_cast<C>(rows);
  if (gradient != nullptr) gradient->magnitude.reset();
  context.pool->run((rows + kTileRows - 1) / kTileRows, [&](int64_t tile) {
    const int64_t first = tile * kTileRows;
    const int64_t last = std::min(rows, first + kTileRows);
    for (int64_t i = first; i < last; ++i) {
      C* slope = slopes == nullptr ? nullptr : slopes + i * columns;
      losses[i] = static_cast<C>(ofRow(terms, xs + i * stride, ys + i * columns, columns, scale, slope));
    }
    if constexpr (std::is_same_v<C, float>) {
      if (gradient == nullptr) return;
      gradient->finishRows(first, last);
      gradient->magnitude.include(
          largestMagnitudeBits(slopes + first * columns, last - first, columns, columns));
    }
  });
}

}  // namespace

Likelihood::Likelihood(const PartSpec& spec, int64_t columns)
    : row_(&rowOf(kTable, "likelihood", spec.type)),
      terms_(row_->terms(spec, static_cast<double>(columns))) {}

bool hasKernel(const PartSpec& spec) {
  for (const LikelihoodRow& row : kTable) {
    if (spec.type == row.name) return row.covers(spec);
  }
  return false;
}

LikelihoodKind Likelihood::kind() const {
  return row_->kind;
}

void Likelihood::negativeLogProb(const Context& context, const at::Tensor& x, const Activations& y,
                                 int64_t rows, at::Tensor& loss, Activations* gradient) const {
  if (context.kernels != nullptr) {
    LikelihoodBatch batch{x, y.value, y.missingBias, y.channels, loss, {}};
    if (gradient != nullptr) batch.gradient = gradient->value;
    ColumnSums none;
    context.kernels->likelihood(row_->kind, terms_, batch, rows,
                                gradient == nullptr ? none : gradient->columnSums);
  } else if (y.value.scalar_type() == c10::kFloat) {
    overRows<float>(terms_, row_->kind, context, x, y.value, rows, loss, gradient);
  } else {
    overRows<double>(terms_, row_->kind, context, x, y.value, rows, loss, gradient);
  }
}

}  // namespace torchvae::fused
