// Values in [0, 1] from logits y. The Bernoulli likelihood is the cross-entropy; for x strictly between 0 and
// 1 that is no normalized density, and the continuous Bernoulli (Loaiza-Ganem and Cunningham 2019) is:
//   log p(x|y) = x y - softplus(y) + log C(lambda),  lambda = sigmoid(y),
//   C = 2 atanh(1 - 2 lambda) / (1 - 2 lambda) = y / tanh(y / 2), and 2 at y = 0.

#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/where.h>

#include <cmath>

#include "likelihood/tables.h"
#include "ops/likelihood.h"
#include "ops/plain.h"

namespace torchvae {
namespace {

Tensor crossEntropy(const Tensor& x, const Tensor& y) {
  return (at::softplus(y) - x * y).sum(1);
}

class Bernoulli : public Likelihood {
 public:
  explicit Bernoulli(const Weights& weights) : context_(weights.context()) {}

  Tensor negativeLogProb(const Tensor& x, const Tensor& y) const override {
    return PlainOperations::served(*context_) ? rowLosses(*context_, LikelihoodKind::kBernoulli, {}, x, y)
                                              : crossEntropy(x, y);
  }
  Tensor mean(const Tensor& y) const override { return y.sigmoid(); }
  Tensor mode(const Tensor& y) const override { return y.gt(0).to(y.scalar_type()); }
  Tensor sample(const Tensor& y, Pass& pass) const override {
    return pass.draws.uniform(y.sizes()).lt(y.sigmoid()).to(y.scalar_type());
  }

 private:
  const Context* context_;
};

class ContinuousBernoulli : public Likelihood {
 public:
  explicit ContinuousBernoulli(const Weights& weights) : context_(weights.context()) {}

  Tensor negativeLogProb(const Tensor& x, const Tensor& y) const override {
    if (PlainOperations::served(*context_)) {
      return rowLosses(*context_, LikelihoodKind::kContinuousBernoulli, {}, x, y);
    }
    return crossEntropy(x, y) - logNormalizer(y).sum(1);
  }

  // lambda / (2 lambda - 1) + 1 / (2 atanh(1 - 2 lambda)) = 1 / (1 - exp(-y)) - 1 / y.
  Tensor mean(const Tensor& y) const override {
    const Tensor small = y.abs().lt(kSmall);
    const Tensor safe = at::where(small, 1.0, y);
    return at::where(small, y / 12.0 + 0.5, -1.0 / (-safe).expm1() - 1.0 / safe);
  }

  Tensor mode(const Tensor& y) const override { return y.gt(0).to(y.scalar_type()); }

  // By the inverse of the distribution function: log(1 + u (exp(y) - 1)) / y.
  Tensor sample(const Tensor& y, Pass& pass) const override {
    const Tensor u = pass.draws.uniform(y.sizes());
    const Tensor small = y.abs().lt(kSmall);
    const Tensor safe = at::where(small, 1.0, y);
    // For large y the exponential is taken out: log(u + (1 - u) exp(-y)) + y.
    const Tensor positive = (u + (1.0 - u) * (-safe).clamp_max(0).exp()).log() + safe;
    const Tensor negative = (u * safe.clamp_max(0).expm1()).log1p();
    return at::where(small, u, at::where(safe.gt(0), positive, negative) / safe).clamp(0, 1);
  }

 private:
  static constexpr double kSmall = 1e-2;
  const Context* context_;

  static Tensor logNormalizer(const Tensor& y) {
    const Tensor small = y.abs().lt(kSmall);
    // Both branches are differentiated: neither may be infinite where the other is chosen.
    const Tensor safe = at::where(small, 1.0, y).abs();
    const Tensor large = (safe / (safe * 0.5).tanh()).log();
    const Tensor series = y.square() / 12.0 + std::log(2.0);
    return at::where(small, series, large);
  }
};

}  // namespace

std::unique_ptr<Likelihood> makeBernoulli(Weights& weights, const ModelSpec& /*spec*/) {
  return std::make_unique<Bernoulli>(weights);
}

std::unique_ptr<Likelihood> makeContinuousBernoulli(Weights& weights, const ModelSpec& /*spec*/) {
  return std::make_unique<ContinuousBernoulli>(weights);
}

}  // namespace torchvae
