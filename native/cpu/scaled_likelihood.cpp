#include "cpu/scaled_likelihood.h"

#include <cmath>
#include <numbers>

#include "cpu/term_math.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

constexpr int64_t kLanes = 16;

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
TORCHVAE_VECTORIZED double scaledSum(const C* precision, const C* x, const C* y, int64_t columns, C scale,
                                     C* gradient, C* parts) {
  return sumOverLanes<C>(columns, [=](int64_t j) {
    const ValueAndSlope<C> t = Term::template of<TermMath<C>>(kSigmoid, x[j], y[j]);
    const C part = precision[j] * t.value;
    if constexpr (kGradient) {
      gradient[j] = precision[j] * t.slope * scale;
      parts[j] += part;
    }
    return part;
  });
}

template <class Term, class C>
double scaledRow(bool sigmoid, const C* precision, const C* x, const C* y, int64_t columns, C scale,
                 C* gradient, C* parts) {
  const auto sum = sigmoid ? (gradient == nullptr ? scaledSum<Term, true, false, C> : scaledSum<Term, true, true, C>)
                           : (gradient == nullptr ? scaledSum<Term, false, false, C> : scaledSum<Term, false, true, C>);
  return sum(precision, x, y, columns, scale, gradient, parts);
}

// softplus(raw + 7) - 7, with its slope in raw.
template <class C>
TORCHVAE_INLINE ValueAndSlope<C> heldLogScale(C raw) {
  const C y = raw + C(7);
  const C e = TermMath<C>::exp(y < 0 ? y : -y);
  return {(y > 0 ? y : C(0)) + TermMath<C>::log1p(e) - C(7), (y < 0 ? e : C(1)) / (C(1) + e)};
}

template <class Term, bool kSigmoid, bool kGradient, class C>
TORCHVAE_VECTORIZED double predictedSum(C power, const C* x, const C* y, int64_t columns, C scale,
                                        C* gradient) {
  return sumOverLanes<C>(columns, [=](int64_t j) {
    const ValueAndSlope<C> t = Term::template of<TermMath<C>>(kSigmoid, x[j], y[j]);
    const ValueAndSlope<C> s = heldLogScale(y[columns + j]);
    const C precision = TermMath<C>::exp(-power * s.value);
    const C part = precision * t.value;
    if constexpr (kGradient) {
      gradient[j] = precision * t.slope * scale;
      gradient[columns + j] = (C(1) - power * part) * s.slope * scale;
    }
    return part + s.value;
  });
}

template <class Term, class C>
double predictedRow(const ScaleTerms& terms, const C* x, const C* y, int64_t columns, C scale, C* gradient) {
  const auto sum = terms.sigmoid
                       ? (gradient == nullptr ? predictedSum<Term, true, false, C> : predictedSum<Term, true, true, C>)
                       : (gradient == nullptr ? predictedSum<Term, false, false, C> : predictedSum<Term, false, true, C>);
  return sum(static_cast<C>(terms.power), x, y, columns, scale, gradient);
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

template <class C>
PredictedRow<C> predictedRowOf(LikelihoodKind kind) {
  return kind == LikelihoodKind::kLaplace ? predictedRow<LaplaceTerm, C> : predictedRow<GaussianTerm, C>;
}
template PredictedRow<float> predictedRowOf(LikelihoodKind kind);
template PredictedRow<double> predictedRowOf(LikelihoodKind kind);

}  // namespace torchvae::cpu
