#include "cpu/scaled_likelihood.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "cpu/term_math.h"

namespace torchvae::cpu {
namespace {

constexpr int64_t kLanes = 16;

// Of lambdas: one that is called has the default instruction set, not that of the loop around it.
#define TORCHVAE_INLINED __attribute__((always_inline))

// Adds value(j) of each column to sixteen lanes: one order of addition whatever the instruction set.
template <class C, class Value>
TORCHVAE_INLINE double sumOverLanes(int64_t columns, const Value& value) {
  C lanes[kLanes] = {};
  const int64_t whole = columns / kLanes * kLanes;
  for (int64_t j = 0; j < whole; j += kLanes) {
    for (int64_t k = 0; k < kLanes; ++k) lanes[k] += value(j + k);
  }
  for (int64_t j = whole; j < columns; ++j) lanes[j - whole] += value(j);
  double sum = 0;
  for (const C lane : lanes) sum += lane;
  return sum;
}

template <class Term, bool kSigmoid, bool kGradient, class C>
TORCHVAE_VECTORIZED double scaledSum(const C* __restrict precision, const C* __restrict x,
                                     const C* __restrict y, int64_t columns, C scale, C* __restrict gradient,
                                     C* __restrict parts) {
  return sumOverLanes<C>(columns, [=](int64_t j) TORCHVAE_INLINED {
    const ValueAndSlope<C> t = Term::template of<TermMath<C>>(kSigmoid, x[j], y[j]);
    const C part = precision[j] * t.value;
    if constexpr (kGradient) {
      gradient[j] = precision[j] * t.slope * scale;
      parts[j] += part * scale;
    }
    return part;
  });
}

template <class Term, class C>
double scaledRow(bool sigmoid, const C* precision, const C* x, const C* y, int64_t columns, C scale,
                 C* gradient, C* parts) {
  const auto sum =
      sigmoid ? (gradient == nullptr ? scaledSum<Term, true, false, C> : scaledSum<Term, true, true, C>)
              : (gradient == nullptr ? scaledSum<Term, false, false, C> : scaledSum<Term, false, true, C>);
  return sum(precision, x, y, columns, scale, gradient, parts);
}

// softplus(raw + 7) - 7, with its slope in raw.
template <class C>
TORCHVAE_INLINE ValueAndSlope<C> logScaleOf(C raw) {
  constexpr C kLeast = C(-7);
  const C above = raw - kLeast;
  const C e = TermMath<C>::exp(above < 0 ? above : -above);
  return {(above < 0 ? kLeast : raw) + TermMath<C>::log1p(e), (above < 0 ? e : C(1)) / (C(1) + e)};
}

template <class Term, bool kSigmoid, bool kGradient, class C>
TORCHVAE_VECTORIZED double predictedSum(C power, const C* __restrict x, const C* __restrict y,
                                        const C* __restrict raw, int64_t columns, C scale,
                                        C* __restrict gradient, C* __restrict ofRaw) {
  return sumOverLanes<C>(columns, [=](int64_t j) TORCHVAE_INLINED {
    const ValueAndSlope<C> t = Term::template of<TermMath<C>>(kSigmoid, x[j], y[j]);
    const ValueAndSlope<C> s = logScaleOf(raw[j]);
    const C precision = TermMath<C>::exp(-power * s.value);
    const C part = precision * t.value;
    if constexpr (kGradient) {
      gradient[j] = precision * t.slope * scale;
      ofRaw[j] = (C(1) - power * part) * s.slope * scale;
    }
    return part + s.value;
  });
}

template <class Term, class C>
double predictedRow(const ScaleTerms& terms, const C* x, const C* y, int64_t columns, C scale, C* gradient) {
  const auto sum =
      terms.sigmoid
          ? (gradient == nullptr ? predictedSum<Term, true, false, C> : predictedSum<Term, true, true, C>)
          : (gradient == nullptr ? predictedSum<Term, false, false, C> : predictedSum<Term, false, true, C>);
  return sum(static_cast<C>(terms.power), x, y, y + columns, columns, scale, gradient,
             gradient == nullptr ? nullptr : gradient + columns) +
         static_cast<double>(columns) * terms.logNormalizer;
}

}  // namespace

ScaleTerms scaleTermsOf(LikelihoodKind kind, bool sigmoid) {
  if (kind == LikelihoodKind::kLaplace) return {kind, sigmoid, 1, std::numbers::ln2};
  return {LikelihoodKind::kGaussian, sigmoid, 2, 0.5 * std::log(2 * std::numbers::pi)};
}

template <class C>
ScaledRow<C> scaledRowOf(LikelihoodKind kind) {
  return kind == LikelihoodKind::kLaplace ? scaledRow<LaplaceTerm, C> : scaledRow<GaussianTerm, C>;
}
template ScaledRow<float> scaledRowOf(LikelihoodKind kind);
template ScaledRow<double> scaledRowOf(LikelihoodKind kind);

// Not by the vectors' function, which is held to the finite numbers: an overflow must be seen.
template <class C>
double fillPrecisions(const ScaleTerms& terms, const C* logScales, int64_t count, int64_t columns,
                      C* precision) {
  double sum = 0;
  for (int64_t j = 0; j < count; ++j) {
    precision[j] = std::exp(static_cast<C>(-terms.power) * logScales[j]);
    sum += static_cast<double>(logScales[j]);
  }
  std::fill_n(precision + count, columns - count, precision[0]);
  const auto values = static_cast<double>(columns);
  return values / static_cast<double>(count) * sum + values * terms.logNormalizer;
}
template double fillPrecisions(const ScaleTerms& terms, const float* logScales, int64_t count,
                               int64_t columns, float* precision);
template double fillPrecisions(const ScaleTerms& terms, const double* logScales, int64_t count,
                               int64_t columns, double* precision);

// With weights w: sum of w_i (1 - power precision_j term_ij).
template <class C>
void logScaleSlopes(const ScaleTerms& terms, double weight, const ScaleParts<C>& parts, int64_t count,
                    C* slopes) {
  double all = 0;
  for (int64_t j = 0; j < parts.columns; ++j) {
    double sum = 0;
    for (int64_t tile = 0; tile < parts.tiles; ++tile) sum += parts.values[tile * parts.stride + j];
    const double slope = weight - terms.power * sum;
    if (count > 1) slopes[j] = static_cast<C>(slope);
    all += slope;
  }
  if (count == 1) slopes[0] = static_cast<C>(all);
}
template void logScaleSlopes(const ScaleTerms& terms, double weight, const ScaleParts<float>& parts,
                             int64_t count, float* slopes);
template void logScaleSlopes(const ScaleTerms& terms, double weight, const ScaleParts<double>& parts,
                             int64_t count, double* slopes);

template <class C>
PredictedRow<C> predictedRowOf(LikelihoodKind kind) {
  return kind == LikelihoodKind::kLaplace ? predictedRow<LaplaceTerm, C> : predictedRow<GaussianTerm, C>;
}
template PredictedRow<float> predictedRowOf(LikelihoodKind kind);
template PredictedRow<double> predictedRowOf(LikelihoodKind kind);

}  // namespace torchvae::cpu
