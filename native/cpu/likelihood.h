// Elementwise likelihoods on the CPU: -log p(x|y) of one example, with its derivative in y, in one pass.
#pragma once

#include <cstdint>

#include "likelihoods.h"

namespace torchvae::cpu {

// What a likelihood's settings come to.
struct LikelihoodTerms {
  double precision = 1;  // Gaussian: 1 / sigma^2; Laplace: 1 / scale
  double constant = 0;   // of one example, added to the sum over its values
  bool sigmoid = false;  // whether the location is sigmoid(y) in place of y
};

// Returns the loss of a row of `columns` values in nats; unless `gradient` is null, stores `scale` times its
// derivative in y there. C is float or double.
template <class C>
using RowLoss = double (*)(const LikelihoodTerms& terms, const C* x, const C* y, int64_t columns, C scale,
                           C* gradient);

template <class C>
RowLoss<C> rowLossOf(LikelihoodKind kind);

}  // namespace torchvae::cpu
