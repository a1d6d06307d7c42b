// Real values: the Gaussian and the Laplace likelihood, whose scale is fixed, learned for all values
// together, learned for each, or given by the decoder; and the squared error, which is the Gaussian's
// exponent for sigma^2 = 1/2. The location may be held to (0, 1) by a sigmoid.

#include <ATen/ops/softplus.h>

#include <cmath>
#include <numbers>

#include "likelihood/tables.h"
#include "ops/likelihood.h"
#include "ops/plain.h"

namespace torchvae {
namespace {

// A location and the logarithm of a scale, each [B, inputSize] or what broadcasts to it.
class LocationScale : public Likelihood {
 public:
  LocationScale(Weights& weights, const ModelSpec& spec)
      : context_(weights.context()),
        inputSize_(spec.inputSize()),
        sigmoid_(spec.likelihood.word("link") == "sigmoid") {
    const std::string& scale = spec.likelihood.word("scale");
    predicted_ = scale == "predicted";
    const double initial = std::log(spec.likelihood.number("sigma"));
    if (scale == "fixed") fixedLogScale_ = initial;
    if (scale == "learned") {
      logScale_ = weights.parameter("likelihood.logSigma", {1}, Init::constant(initial));
    }
    if (scale == "per-dimension") {
      logScale_ = weights.parameter("likelihood.logSigma", {inputSize_}, Init::constant(initial));
    }
    learned_ = scale == "learned" || scale == "per-dimension";
  }

  int64_t parametersPerValue() const override { return predicted_ ? 2 : 1; }
  Tensor mean(const Tensor& y) const override { return location(y); }
  Tensor mode(const Tensor& y) const override { return location(y); }

 protected:
  // Whether one operation over the CPU's kernels serves: for a scale that is a constant.
  bool isOneOperation() const { return !predicted_ && !learned_ && PlainOperations::served(*context_); }
  // The losses by such an operation, of a likelihood whose normalizer has `logNormalizer` beside the log
  // scale.
  Tensor lossesBy(LikelihoodKind kind, double precision, double logNormalizer, const Tensor& x,
                  const Tensor& y) const {
    const double constant = static_cast<double>(inputSize_) * (fixedLogScale_ + logNormalizer);
    return rowLosses(*context_, kind, {precision, constant, sigmoid_}, x, y);
  }
  double fixedLogScale() const { return fixedLogScale_; }

  Tensor location(const Tensor& y) const {
    const Tensor raw = predicted_ ? y.narrow(1, 0, inputSize_) : y;
    return sigmoid_ ? raw.sigmoid() : raw;
  }

  Tensor logScale(const Tensor& y) const {
    // Softly held above exp(-7): a scale that shrinks to a point has an unbounded density.
    if (predicted_) return at::softplus(y.narrow(1, inputSize_, inputSize_) + 7.0) - 7.0;
    if (learned_) return *logScale_;
    return y.new_full({1}, fixedLogScale_);
  }

 private:
  const Context* context_;
  int64_t inputSize_;
  bool sigmoid_;
  bool predicted_ = false;
  bool learned_ = false;
  double fixedLogScale_ = 0;
  Weight logScale_;
};

class Gaussian : public LocationScale {
 public:
  using LocationScale::LocationScale;

  Tensor negativeLogProb(const Tensor& x, const Tensor& y) const override {
    const double constant = 0.5 * std::log(2 * std::numbers::pi);
    if (isOneOperation()) {
      return lossesBy(LikelihoodKind::kGaussian, std::exp(-2 * fixedLogScale()), constant, x, y);
    }
    const Tensor scale = logScale(y);
    return ((x - location(y)).square() * (scale * -2.0).exp() * 0.5 + scale + constant).sum(1);
  }

  Tensor sample(const Tensor& y, Pass& pass) const override {
    const Tensor center = location(y);
    return center + logScale(y).exp() * pass.draws.normal(center.sizes());
  }
};

class Laplace : public LocationScale {
 public:
  using LocationScale::LocationScale;

  Tensor negativeLogProb(const Tensor& x, const Tensor& y) const override {
    if (isOneOperation()) {
      return lossesBy(LikelihoodKind::kLaplace, std::exp(-fixedLogScale()), std::log(2.0), x, y);
    }
    const Tensor scale = logScale(y);
    return ((x - location(y)).abs() * (-scale).exp() + scale + std::log(2.0)).sum(1);
  }

  Tensor sample(const Tensor& y, Pass& pass) const override {
    const Tensor center = location(y);
    const Tensor u = pass.draws.uniform(center.sizes()) - 0.5;
    return center - logScale(y).exp() * u.sign() * (u.abs() * -2.0).log1p();
  }
};

// Not a density: sum (x - y)^2, without the Gaussian's constant.
class SquaredError : public Likelihood {
 public:
  SquaredError(const Weights& weights, bool sigmoid) : context_(weights.context()), sigmoid_(sigmoid) {}

  Tensor negativeLogProb(const Tensor& x, const Tensor& y) const override {
    if (PlainOperations::served(*context_)) {
      return rowLosses(*context_, LikelihoodKind::kGaussian, {2, 0, sigmoid_}, x, y);
    }
    return (x - mean(y)).square().sum(1);
  }
  Tensor mean(const Tensor& y) const override { return sigmoid_ ? y.sigmoid() : y; }
  Tensor mode(const Tensor& y) const override { return mean(y); }
  Tensor sample(const Tensor& y, Pass& pass) const override {
    return mean(y) + pass.draws.normal(y.sizes()) * std::sqrt(0.5);
  }

 private:
  const Context* context_;
  bool sigmoid_;
};

}  // namespace

std::unique_ptr<Likelihood> makeGaussian(Weights& weights, const ModelSpec& spec) {
  return std::make_unique<Gaussian>(weights, spec);
}

std::unique_ptr<Likelihood> makeLaplace(Weights& weights, const ModelSpec& spec) {
  return std::make_unique<Laplace>(weights, spec);
}

std::unique_ptr<Likelihood> makeSquaredError(Weights& weights, const ModelSpec& spec) {
  return std::make_unique<SquaredError>(weights, spec.likelihood.word("link") == "sigmoid");
}

}  // namespace torchvae
