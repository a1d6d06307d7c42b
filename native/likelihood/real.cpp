// Real values: the Gaussian and the Laplace likelihood, whose scale is fixed, learned for all values
// together, learned for each, or given by the decoder; and the squared error, which is the Gaussian's
// exponent for sigma^2 = 1/2. The location may be held to (0, 1) by a sigmoid.

#include <ATen/ops/softplus.h>

#include <cmath>

#include "likelihood/tables.h"
#include "ops/likelihood.h"
#include "ops/plain.h"

namespace torchvae {
namespace {

// A location and the logarithm of a scale, each [B, inputSize] or what broadcasts to it.
class LocationScale : public Likelihood {
 public:
  LocationScale(Weights& weights, const ModelSpec& spec, LikelihoodKind kind)
      : context_(weights.context()),
        inputSize_(spec.inputSize()),
        terms_(cpu::scaleTermsOf(kind, spec.likelihood.word("link") == "sigmoid")) {
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
  Tensor negativeLogProb(const Tensor& x, const Tensor& y) const override {
    if (!PlainOperations::served(*context_)) return plainLosses(x, y);
    if (predicted_) return predictedRowLosses(*context_, terms_, x, y);
    if (learned_) return scaledRowLosses(*context_, terms_, x, y, *logScale_);
    const double precision = std::exp(-terms_.power * fixedLogScale_);
    const double constant = static_cast<double>(inputSize_) * (fixedLogScale_ + terms_.logNormalizer);
    return rowLosses(*context_, terms_.kind, {precision, constant, terms_.sigmoid}, x, y);
  }
  Tensor mean(const Tensor& y) const override { return location(y); }
  Tensor mode(const Tensor& y) const override { return location(y); }

 protected:
  // -log p by libtorch's operations.
  virtual Tensor plainLosses(const Tensor& x, const Tensor& y) const = 0;

  Tensor location(const Tensor& y) const {
    const Tensor raw = predicted_ ? y.narrow(1, 0, inputSize_) : y;
    return terms_.sigmoid ? raw.sigmoid() : raw;
  }

  Tensor logScale(const Tensor& y) const {
    // Softly held above exp(-7): a scale that shrinks to a point has an unbounded density.
    if (predicted_) return at::softplus(y.narrow(1, inputSize_, inputSize_) + 7.0) - 7.0;
    if (learned_) return *logScale_;
    return y.new_full({1}, fixedLogScale_);
  }

  double logNormalizer() const { return terms_.logNormalizer; }

 private:
  const Context* context_;
  int64_t inputSize_;
  cpu::ScaleTerms terms_;
  bool predicted_ = false;
  bool learned_ = false;
  double fixedLogScale_ = 0;
  Weight logScale_;
};

class Gaussian : public LocationScale {
 public:
  Gaussian(Weights& weights, const ModelSpec& spec)
      : LocationScale(weights, spec, LikelihoodKind::kGaussian) {}

  Tensor sample(const Tensor& y, Pass& pass) const override {
    const Tensor center = location(y);
    return center + logScale(y).exp() * pass.draws.normal(center.sizes());
  }

 protected:
  Tensor plainLosses(const Tensor& x, const Tensor& y) const override {
    const Tensor scale = logScale(y);
    return ((x - location(y)).square() * (scale * -2.0).exp() * 0.5 + scale + logNormalizer()).sum(1);
  }
};

class Laplace : public LocationScale {
 public:
  Laplace(Weights& weights, const ModelSpec& spec) : LocationScale(weights, spec, LikelihoodKind::kLaplace) {}

  Tensor sample(const Tensor& y, Pass& pass) const override {
    const Tensor center = location(y);
    const Tensor u = pass.draws.uniform(center.sizes()) - 0.5;
    return center - logScale(y).exp() * u.sign() * (u.abs() * -2.0).log1p();
  }

 protected:
  Tensor plainLosses(const Tensor& x, const Tensor& y) const override {
    const Tensor scale = logScale(y);
    return ((x - location(y)).abs() * (-scale).exp() + scale + logNormalizer()).sum(1);
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
