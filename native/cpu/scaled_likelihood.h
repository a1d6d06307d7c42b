// Likelihoods of a location with a scale of its own on the CPU: -log p(x|y) of one example, with its
// derivatives in the location and in the logarithm of the scale, in one pass.
//
// With the scale's logarithm s, -log p = precision term(x, y) + s + log normalizer, and the precision is
// exp(-power s); the term is that of likelihoods.h.
#pragma once

#include <cstdint>

#include "likelihoods.h"

namespace torchvae::cpu {

// What makes a location's likelihood one with a scale: kGaussian or kLaplace.
struct ScaleTerms {
  LikelihoodKind kind = LikelihoodKind::kGaussian;
  bool sigmoid = false;      // whether the location is sigmoid(y) in place of y
  double power = 2;          // the precision is exp(-power s)
  double logNormalizer = 0;  // of one value, beside s
};

ScaleTerms scaleTermsOf(LikelihoodKind kind, bool sigmoid);

// Returns the sum of precision[j] times the term over a row of `columns` values. Unless `gradient` is null,
// stores `scale` times its derivatives in y there, and adds its parts, value by value, to `parts`. C is float
// or double.
template <class C>
using ScaledRow = double (*)(bool sigmoid, const C* precision, const C* x, const C* y, int64_t columns,
                             C scale, C* gradient, C* parts);
template <class C>
ScaledRow<C> scaledRowOf(LikelihoodKind kind);

// Returns the loss of a row in nats, less the normalizers, whose scales y has behind its `columns` locations:
// s = softplus(y + 7) - 7, softly held above exp(-7), since a scale that shrinks to a point has an unbounded
// density. Unless `gradient` is null, stores `scale` times the derivatives in all of y there.
template <class C>
using PredictedRow = double (*)(const ScaleTerms& terms, const C* x, const C* y, int64_t columns, C scale,
                                C* gradient);
template <class C>
PredictedRow<C> predictedRowOf(LikelihoodKind kind);

}  // namespace torchvae::cpu
