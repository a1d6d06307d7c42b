#include "cpu/likelihood.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "cpu/lane_sum.h"
#include "cpu/term_math.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

// Sums a term over a row in sixteen lanes; term(x, y) gives its value and its slope in y.
template <bool kGradient, class C, class Term>
TORCHVAE_INLINE double sumRow(const C* x, const C* y, int64_t columns, C scale, C* gradient,
                              const Term& term) {
  C lanes[16] = {};
  const int64_t whole = columns / 16 * 16;
  for (int64_t j = 0; j < whole; j += 16) {
    for (int64_t k = 0; k < 16; ++k) {
      const ValueAndSlope<C> t = term(x[j + k], y[j + k]);
      lanes[k] += t.value;
      if constexpr (kGradient) gradient[j + k] = t.slope * scale;
    }
  }
  for (int64_t j = whole; j < columns; ++j) {
    const ValueAndSlope<C> t = term(x[j], y[j]);
    lanes[j - whole] += t.value;
    if constexpr (kGradient) gradient[j] = t.slope * scale;
  }
  double sum = 0;
  for (const C lane : lanes) sum += lane;
  return sum;
}

template <class Term, bool kSigmoid, bool kGradient, class C>
TORCHVAE_VECTORIZED double termSum(const C* x, const C* y, int64_t columns, C scale, C* gradient) {
  return sumRow<kGradient>(x, y, columns, scale, gradient,
                           [](C a, C b) { return Term::template of<TermMath<C>>(kSigmoid, a, b); });
}

template <class Term, class C>
double rowLoss(const LikelihoodTerms& terms, const C* x, const C* y, int64_t columns, C scale, C* gradient) {
  const C slope = static_cast<C>(terms.precision * scale);
  const auto sum =
      terms.sigmoid ? (gradient == nullptr ? termSum<Term, true, false, C> : termSum<Term, true, true, C>)
                    : (gradient == nullptr ? termSum<Term, false, false, C> : termSum<Term, false, true, C>);
  return terms.precision * sum(x, y, columns, slope, gradient) + terms.constant;
}

// Sums in sixteen lanes the terms of the Bernoulli's loss. The logarithms of up to 64 factors are taken as
// one, of their product: each factor is at most 2, so the product is at most 2^64.
struct BernoulliTerms {
  static constexpr int64_t kFactors = 64;
  LaneSum linear;
  LaneSum logarithms;
  float product[16];

  TORCHVAE_INLINE BernoulliTerms() { std::fill_n(product, 16, 1.0f); }

  // Returns the derivative, sigmoid(y) - x.
  TORCHVAE_INLINE float add(int64_t lane, float x, float y) {
    const float e = vec::exp(y < 0 ? y : -y);
    linear.lane[lane] += (y > 0 ? y : 0.0f) - x * y;
    product[lane] *= 1.0f + e;
    return (y < 0 ? e : 1.0f) / (1.0f + e) - x;
  }

  TORCHVAE_INLINE void takeLogarithms() {
    for (int64_t k = 0; k < 16; ++k) {
      logarithms.lane[k] += vec::log(product[k]);
      product[k] = 1.0f;
    }
  }

  double total() const { return linear.total() + logarithms.total(); }
};

template <bool kGradient>
TORCHVAE_VECTORIZED double bernoulliSum(const float* x, const float* y, int64_t columns, float scale,
                                        float* gradient) {
  BernoulliTerms terms;
  const int64_t whole = columns / 16 * 16;
  for (int64_t first = 0; first < whole; first += 16 * BernoulliTerms::kFactors) {
    const int64_t last = std::min(whole, first + 16 * BernoulliTerms::kFactors);
    for (int64_t j = first; j < last; j += 16) {
      for (int64_t k = 0; k < 16; ++k) {
        const float slope = terms.add(k, x[j + k], y[j + k]);
        if constexpr (kGradient) gradient[j + k] = slope * scale;
      }
    }
    terms.takeLogarithms();
  }
  for (int64_t j = whole; j < columns; ++j) {
    const float slope = terms.add(j - whole, x[j], y[j]);
    if constexpr (kGradient) gradient[j] = slope * scale;
  }
  terms.takeLogarithms();
  return terms.total();
}

double bernoulliRow(const LikelihoodTerms& /*terms*/, const float* x, const float* y, int64_t columns,
                    float scale, float* gradient) {
  return gradient == nullptr ? bernoulliSum<false>(x, y, columns, scale, gradient)
                             : bernoulliSum<true>(x, y, columns, scale, gradient);
}

}  // namespace

template <class C>
RowLoss<C> rowLossOf(LikelihoodKind kind) {
  if constexpr (std::is_same_v<C, float>) {
    if (kind == LikelihoodKind::kBernoulli) return bernoulliRow;
  }
  switch (kind) {
#define TORCHVAE_ROW(kind, Term) \
  case LikelihoodKind::kind:     \
    return rowLoss<Term, C>;
    TORCHVAE_LIKELIHOOD_TERMS(TORCHVAE_ROW)
#undef TORCHVAE_ROW
  }
  return nullptr;
}
template RowLoss<float> rowLossOf(LikelihoodKind kind);
template RowLoss<double> rowLossOf(LikelihoodKind kind);

}  // namespace torchvae::cpu
