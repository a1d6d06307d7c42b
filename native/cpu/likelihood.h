// Elementwise likelihoods on the CPU: -log p(x|y) of one example, with its derivative in y, in one pass.
#pragma once

#include <cstdint>

namespace torchvae::cpu {

// What a likelihood's settings come to. The location is m = y or m = sigmoid(y).
struct LikelihoodTerms {
  double precision = 1;  // Gaussian: 1 / sigma^2; Laplace: 1 / scale
  double constant = 0;   // of one example, added to the sum over its values
  bool sigmoid = false;
};

// Returns the loss of a row of `columns` values in nats; unless `gradient` is null, stores `scale` times its
// derivative in y there. C is float or double.
template <class C>
using RowLoss = double (*)(const LikelihoodTerms& terms, const C* x, const C* y, int64_t columns, C scale,
                           C* gradient);

// max(y, 0) - x y + log(1 + exp(-|y|)).
double bernoulliRow(const LikelihoodTerms& terms, const float* x, const float* y, int64_t columns,
                    float scale, float* gradient);
double bernoulliRow(const LikelihoodTerms& terms, const double* x, const double* y, int64_t columns,
                    double scale, double* gradient);
// precision / 2 (x - m)^2.
double gaussianRow(const LikelihoodTerms& terms, const float* x, const float* y, int64_t columns, float scale,
                   float* gradient);
double gaussianRow(const LikelihoodTerms& terms, const double* x, const double* y, int64_t columns,
                   double scale, double* gradient);
// precision |x - m|.
double laplaceRow(const LikelihoodTerms& terms, const float* x, const float* y, int64_t columns, float scale,
                  float* gradient);
double laplaceRow(const LikelihoodTerms& terms, const double* x, const double* y, int64_t columns,
                  double scale, double* gradient);
// Of the continuous Bernoulli (Loaiza-Ganem and Cunningham 2019): the cross-entropy less log C, with
// C = y / tanh(y / 2).
double continuousBernoulliRow(const LikelihoodTerms& terms, const float* x, const float* y, int64_t columns,
                              float scale, float* gradient);
double continuousBernoulliRow(const LikelihoodTerms& terms, const double* x, const double* y, int64_t columns,
                              double scale, double* gradient);

}  // namespace torchvae::cpu
