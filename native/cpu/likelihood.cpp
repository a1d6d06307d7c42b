#include "cpu/likelihood.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "cpu/lane_sum.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

// The elementary functions in either type: in float32 those that vectorize.
TORCHVAE_INLINE float exponential(float x) {
  return vec::exp(x);
}
TORCHVAE_INLINE double exponential(double x) {
  return std::exp(x);
}
TORCHVAE_INLINE float logarithm(float x) {
  return vec::log(x);
}
TORCHVAE_INLINE double logarithm(double x) {
  return std::log(x);
}
template <class C>
TORCHVAE_INLINE C sigmoid(C x) {
  const C e = exponential(x < 0 ? x : -x);
  return (x < 0 ? e : C(1)) / (C(1) + e);
}

template <class C>
struct ValueAndSlope {
  C value, slope;
};

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

template <bool kSigmoid, class C>
TORCHVAE_INLINE ValueAndSlope<C> squared(C x, C y) {
  const C mean = kSigmoid ? sigmoid(y) : y;
  const C difference = mean - x;
  return {difference * difference, difference * (kSigmoid ? mean * (C(1) - mean) : C(1))};
}

template <bool kSigmoid, class C>
TORCHVAE_INLINE ValueAndSlope<C> absolute(C x, C y) {
  const C mean = kSigmoid ? sigmoid(y) : y;
  const C difference = mean - x;
  const C sign = difference > 0 ? C(1) : (difference < 0 ? C(-1) : difference);
  return {sign * difference, sign * (kSigmoid ? mean * (C(1) - mean) : C(1))};
}

// With a = |y| and e = exp(-a), softplus(y) - log(y / tanh(y / 2)) = max(y, 0) + log((1 - e) / a). Near 0,
// where that loses its digits, the series of log(u / tanh(u)) at u = y / 2 takes its place: in double nearer
// to 0, where four terms are exact to its digits too.
template <class C>
TORCHVAE_INLINE ValueAndSlope<C> continuous(C x, C y) {
  const C a = y < 0 ? -y : y;
  const bool isSmall = a < C(sizeof(C) == sizeof(double) ? 0.1 : 0.5);
  const C safe = isSmall ? C(1) : a;
  const C e = exponential(-a);
  const C ofSafe = exponential(-safe);
  const C mean = (y < 0 ? e : C(1)) / (C(1) + e);
  const C s = y * y;
  const C series =
      s * (C(1.0 / 12) + s * (C(-7.0 / 1440) + s * (C(62.0 / 181440) + s * C(-127.0 / 4838400))));
  const C slopeOfSeries =
      y * (C(1.0 / 6) + s * (C(-7.0 / 360) + s * (C(372.0 / 181440) + s * C(-1016.0 / 4838400))));
  const C large = logarithm((C(1) - ofSafe) / safe);
  const C inverse = C(1) / safe - C(2) * ofSafe / (C(1) - ofSafe * ofSafe);
  // softplus(y) = max(y, 0) + log(1 + e), whose logarithm is left where log C is a series.
  const C rest = isSmall ? logarithm(C(1) + e) - series - C(std::numbers::ln2) : large;
  const C slope = isSmall ? slopeOfSeries : (y < 0 ? -inverse : inverse);
  return {(y > 0 ? y : C(0)) - x * y + rest, mean - x - slope};
}

template <bool kGradient, class C>
TORCHVAE_VECTORIZED double continuousSum(const C* x, const C* y, int64_t columns, C scale, C* gradient) {
  return sumRow<kGradient>(x, y, columns, scale, gradient, [](C a, C b) { return continuous(a, b); });
}

template <bool kSigmoid, bool kGradient, class C>
TORCHVAE_VECTORIZED double squaredSum(const C* x, const C* y, int64_t columns, C scale, C* gradient) {
  return sumRow<kGradient>(x, y, columns, scale, gradient, [](C a, C b) { return squared<kSigmoid>(a, b); });
}

template <bool kSigmoid, bool kGradient, class C>
TORCHVAE_VECTORIZED double absoluteSum(const C* x, const C* y, int64_t columns, C scale, C* gradient) {
  return sumRow<kGradient>(x, y, columns, scale, gradient, [](C a, C b) { return absolute<kSigmoid>(a, b); });
}

template <class C>
double gaussianOf(const LikelihoodTerms& terms, const C* x, const C* y, int64_t columns, C scale,
                  C* gradient) {
  const C slope = static_cast<C>(terms.precision * scale);
  const auto sum = terms.sigmoid
                       ? (gradient == nullptr ? squaredSum<true, false, C> : squaredSum<true, true, C>)
                       : (gradient == nullptr ? squaredSum<false, false, C> : squaredSum<false, true, C>);
  return 0.5 * terms.precision * sum(x, y, columns, slope, gradient) + terms.constant;
}

template <class C>
double laplaceOf(const LikelihoodTerms& terms, const C* x, const C* y, int64_t columns, C scale,
                 C* gradient) {
  const C slope = static_cast<C>(terms.precision * scale);
  const auto sum = terms.sigmoid
                       ? (gradient == nullptr ? absoluteSum<true, false, C> : absoluteSum<true, true, C>)
                       : (gradient == nullptr ? absoluteSum<false, false, C> : absoluteSum<false, true, C>);
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

}  // namespace

double bernoulliRow(const LikelihoodTerms& /*terms*/, const float* x, const float* y, int64_t columns,
                    float scale, float* gradient) {
  return gradient == nullptr ? bernoulliSum<false>(x, y, columns, scale, gradient)
                             : bernoulliSum<true>(x, y, columns, scale, gradient);
}

double bernoulliRow(const LikelihoodTerms& /*terms*/, const double* x, const double* y, int64_t columns,
                    double scale, double* gradient) {
  double sum = 0;
  for (int64_t j = 0; j < columns; ++j) {
    sum += std::max(y[j], 0.0) - x[j] * y[j] + std::log1p(std::exp(-std::abs(y[j])));
    if (gradient != nullptr) gradient[j] = (sigmoid(y[j]) - x[j]) * scale;
  }
  return sum;
}

double gaussianRow(const LikelihoodTerms& terms, const float* x, const float* y, int64_t columns, float scale,
                   float* gradient) {
  return gaussianOf(terms, x, y, columns, scale, gradient);
}
double gaussianRow(const LikelihoodTerms& terms, const double* x, const double* y, int64_t columns,
                   double scale, double* gradient) {
  return gaussianOf(terms, x, y, columns, scale, gradient);
}

double laplaceRow(const LikelihoodTerms& terms, const float* x, const float* y, int64_t columns, float scale,
                  float* gradient) {
  return laplaceOf(terms, x, y, columns, scale, gradient);
}
double laplaceRow(const LikelihoodTerms& terms, const double* x, const double* y, int64_t columns,
                  double scale, double* gradient) {
  return laplaceOf(terms, x, y, columns, scale, gradient);
}

double continuousBernoulliRow(const LikelihoodTerms& /*terms*/, const float* x, const float* y,
                              int64_t columns, float scale, float* gradient) {
  return gradient == nullptr ? continuousSum<false>(x, y, columns, scale, gradient)
                             : continuousSum<true>(x, y, columns, scale, gradient);
}
double continuousBernoulliRow(const LikelihoodTerms& /*terms*/, const double* x, const double* y,
                              int64_t columns, double scale, double* gradient) {
  return gradient == nullptr ? continuousSum<false>(x, y, columns, scale, gradient)
                             : continuousSum<true>(x, y, columns, scale, gradient);
}

}  // namespace torchvae::cpu
