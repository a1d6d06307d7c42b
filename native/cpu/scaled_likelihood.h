// Likelihoods of a location and a scale that is trained, on the CPU: -log p(x|y) of one example, with its
// derivatives in the location and in the logarithm of the scale, in one pass.
//
// With the scale's logarithm s, -log p = precision term(x, y) + s + log normalizer, and the precision is
// exp(-power s); the term is that of likelihoods.h.
#pragma once

#include <cstdint>

#include "likelihoods.h"

namespace torchvae::cpu {

// A likelihood that has a scale: kGaussian or kLaplace.
struct ScaleTerms {
  LikelihoodKind kind = LikelihoodKind::kGaussian;
  bool sigmoid = false;      // whether the location is sigmoid(y) in place of y
  double power = 2;          // the precision is exp(-power s)
  double logNormalizer = 0;  // of one value, beside s
};

ScaleTerms scaleTermsOf(LikelihoodKind kind, bool sigmoid);

// Returns the sum of precision[j] times the term over a row of `columns` values. Unless `gradient` is null,
// stores `scale` times its derivatives in y there, and adds `scale` times the summands to parts[columns].
// C is float or double.
template <class C>
using ScaledRow = double (*)(bool sigmoid, const C* precision, const C* x, const C* y, int64_t columns,
                             C scale, C* gradient, C* parts);
template <class C>
ScaledRow<C> scaledRowOf(LikelihoodKind kind);

// Before the rows of a batch: writes the precision of each of `columns` values by the `count` logarithms of
// scales, one for each or one for all. Returns what the loss of a row has beside the sum.
template <class C>
double fillPrecisions(const ScaleTerms& terms, const C* logScales, int64_t count, int64_t columns,
                      C* precision);

// What the rows have left in `parts`, in several tiles: [tiles, stride].
template <class C>
struct ScaleParts {
  const C* values;
  int64_t tiles, stride, columns;
};
// After them: the derivatives in these logarithms. `weight` is the sum of the rows' `scale`.
template <class C>
void logScaleSlopes(const ScaleTerms& terms, double weight, const ScaleParts<C>& parts, int64_t count,
                    C* slopes);

// Returns the loss of a row in nats. y has the locations of its `columns` values, then their raw scales:
// s = softplus(raw + 7) - 7, softly held above -7, since a scale that shrinks to a point has an unbounded
// density. Unless `gradient` is null, stores `scale` times the derivatives in all of y there.
template <class C>
using PredictedRow = double (*)(const ScaleTerms& terms, const C* x, const C* y, int64_t columns, C scale,
                                C* gradient);
template <class C>
PredictedRow<C> predictedRowOf(LikelihoodKind kind);

}  // namespace torchvae::cpu
