// Every elementwise likelihood: -log p(x|y) is `precision` times the sum of its terms over the values, and a
// constant. The engine, its CPU kernels, the CUDA kernels (NVRTC) and their twin all read this list; a new
// entry takes its place in all of them.
//
//   ENTRY(kind, Term)
//     kind   the enumerator of LikelihoodKind
//     Term   of<M>(isSigmoid, x, y): the term of a value x and the decoder's output y, with its slope in y
//   `M` has the elementary functions of the compiler at hand.
#pragma once

#ifdef __CUDACC_RTC__
#define TORCHVAE_TERM __device__ __forceinline__
#else
#define TORCHVAE_TERM inline __attribute__((always_inline))
#endif

namespace torchvae {

#define TORCHVAE_LIKELIHOOD_TERMS(ENTRY)               \
  ENTRY(kBernoulli, BernoulliTerm)                     \
  ENTRY(kContinuousBernoulli, ContinuousBernoulliTerm) \
  ENTRY(kGaussian, GaussianTerm)                       \
  ENTRY(kLaplace, LaplaceTerm)

enum class LikelihoodKind : int {
#define TORCHVAE_KIND(kind, Term) kind,
  TORCHVAE_LIKELIHOOD_TERMS(TORCHVAE_KIND)
#undef TORCHVAE_KIND
};

template <class C>
struct ValueAndSlope {
  C value, slope;
};

// What the data are near: y, or sigmoid(y), with its slope in y.
template <class M, class C>
TORCHVAE_TERM ValueAndSlope<C> locationOf(bool isSigmoid, C y) {
  if (!isSigmoid) return {y, C(1)};
  const C e = M::exp(y < 0 ? y : -y);
  const C location = (y < 0 ? e : C(1)) / (C(1) + e);
  return {location, location * (C(1) - location)};
}

// max(y, 0) - x y + log(1 + exp(-|y|)), with derivative sigmoid(y) - x.
struct BernoulliTerm {
  template <class M, class C>
  TORCHVAE_TERM static ValueAndSlope<C> of(bool /*isSigmoid*/, C x, C y) {
    const C e = M::exp(y < 0 ? y : -y);
    const C mean = (y < 0 ? e : C(1)) / (C(1) + e);
    return {(y > 0 ? y : C(0)) - x * y + M::log1p(e), mean - x};
  }
};

// Loaiza-Ganem and Cunningham 2019: the cross-entropy less log C, with C = y / tanh(y / 2).
//
// With a = |y| and e = exp(-a), softplus(y) - log(y / tanh(y / 2)) = max(y, 0) + log((1 - e) / a). Near 0,
// where that loses its digits, the series of log(u / tanh(u)) at u = y / 2 takes its place: in double nearer
// to 0, where four terms are exact to its digits too.
struct ContinuousBernoulliTerm {
  template <class M, class C>
  TORCHVAE_TERM static ValueAndSlope<C> of(bool /*isSigmoid*/, C x, C y) {
    const C a = y < 0 ? -y : y;
    const bool isSmall = a < C(sizeof(C) == sizeof(double) ? 0.1 : 0.5);
    const C e = M::exp(-a);
    const C safe = isSmall ? C(1) : a, ofSafe = isSmall ? C(0.36787944117144232160) : e;  // exp(-safe)
    const C mean = (y < 0 ? e : C(1)) / (C(1) + e);
    const C s = y * y;
    const C series =
        s * (C(1.0 / 12) + s * (C(-7.0 / 1440) + s * (C(62.0 / 181440) + s * C(-127.0 / 4838400))));
    const C slopeOfSeries =
        y * (C(1.0 / 6) + s * (C(-7.0 / 360) + s * (C(372.0 / 181440) + s * C(-1016.0 / 4838400))));
    const C inverse = C(1) / safe - C(2) * ofSafe / (C(1) - ofSafe * ofSafe);
    // softplus(y) = max(y, 0) + log(1 + e), whose logarithm is left where log C is a series.
    const C logarithm = M::log(isSmall ? C(1) + e : (C(1) - ofSafe) / safe);
    const C rest = isSmall ? logarithm - series - C(0.69314718055994530942) : logarithm;
    const C slope = isSmall ? slopeOfSeries : (y < 0 ? -inverse : inverse);
    return {(y > 0 ? y : C(0)) - x * y + rest, mean - x - slope};
  }
};

// (x - m)^2 / 2, with m = y or sigmoid(y) and precision 1 / sigma^2.
struct GaussianTerm {
  template <class M, class C>
  TORCHVAE_TERM static ValueAndSlope<C> of(bool isSigmoid, C x, C y) {
    const ValueAndSlope<C> mean = locationOf<M>(isSigmoid, y);
    const C difference = mean.value - x;
    return {C(0.5) * difference * difference, difference * mean.slope};
  }
};

// |x - m|, with m = y or sigmoid(y) and precision 1 / scale.
struct LaplaceTerm {
  template <class M, class C>
  TORCHVAE_TERM static ValueAndSlope<C> of(bool isSigmoid, C x, C y) {
    const ValueAndSlope<C> mean = locationOf<M>(isSigmoid, y);
    const C difference = mean.value - x;
    const C sign = difference > 0 ? C(1) : (difference < 0 ? C(-1) : difference);
    return {sign * difference, sign * mean.slope};
  }
};

}  // namespace torchvae
