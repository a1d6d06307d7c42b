// Values on a grid of 256 levels, x = level / 255: a categorical distribution over the levels, and the
// discretized mixture of logistics (Salimans et al. 2017, eq. 2, without its channels' autoregression).

#include <ATen/ops/arange.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/where.h>

#include <cmath>

#include "likelihood/tables.h"
#include "ops/categorical.h"

namespace torchvae {
namespace {

constexpr int64_t kLevels = 256;

class Categorical : public Likelihood {
 public:
  Categorical(const Weights& weights, int64_t inputSize)
      : context_(weights.context()), inputSize_(inputSize) {}

  int64_t parametersPerValue() const override { return kLevels; }

  Tensor negativeLogProb(const Tensor& x, const Tensor& y) const override {
    return categoricalLosses(*context_, x, kLevels - 1, y);
  }

  Tensor mean(const Tensor& y) const override {
    const Tensor levels = at::arange(kLevels, y.options()).view({1, kLevels, 1}) / (kLevels - 1.0);
    return (logits(y).softmax(1) * levels).sum(1);
  }

  Tensor mode(const Tensor& y) const override { return value(logits(y).argmax(1), y); }

  Tensor sample(const Tensor& y, Pass& pass) const override {
    const Tensor each = logits(y);
    return value((each + pass.draws.gumbel(each.sizes())).argmax(1), y);
  }

 private:
  Tensor logits(const Tensor& y) const { return y.view({y.size(0), kLevels, inputSize_}); }
  static Tensor value(const Tensor& level, const Tensor& y) {
    return level.to(y.scalar_type()) / (kLevels - 1.0);
  }

  const Context* context_;
  int64_t inputSize_;
};

class LogisticMixture : public Likelihood {
 public:
  LogisticMixture(int64_t inputSize, int64_t components) : inputSize_(inputSize), components_(components) {}

  int64_t parametersPerValue() const override { return 3 * components_; }

  Tensor negativeLogProb(const Tensor& x, const Tensor& y) const override {
    const Parts p = parts(y);
    const Tensor centered = (x * 2.0 - 1.0).unsqueeze(1) - p.mean;
    const Tensor inverse = (-p.logScale).exp();
    const double half = 1.0 / (kLevels - 1);  // of a level's width on [-1, 1]
    const Tensor upper = (centered + half) * inverse;
    const Tensor lower = (centered - half) * inverse;
    const Tensor lowest = at::log_sigmoid(upper);  // of all the mass below
    const Tensor highest = -at::softplus(lower);   // of all the mass above
    // log(sigmoid(upper) - sigmoid(lower)), without the difference of two numbers that may be alike.
    const Tensor between = lowest + highest + (-(inverse * (-2 * half)).expm1()).log();
    const Tensor value = x.unsqueeze(1);
    const Tensor each =
        at::where(value.lt(0.5 * half), lowest, at::where(value.gt(1 - 0.5 * half), highest, between));
    return -at::logsumexp(each + p.logits.log_softmax(1), {1}).sum(1);
  }

  // Of the logistics held to [-1, 1], which differs from that of their levels by less than half a level:
  // -1 + the integral of P(X > t) over t.
  Tensor mean(const Tensor& y) const override {
    const Parts p = parts(y);
    const Tensor inverse = (-p.logScale).exp();
    const Tensor below = at::softplus((p.mean + 1.0) * inverse);
    const Tensor above = at::softplus((p.mean - 1.0) * inverse);
    return (p.logits.softmax(1) * (below - above) * p.logScale.exp()).sum(1) * 0.5;
  }

  // The location of the heaviest component.
  Tensor mode(const Tensor& y) const override {
    const Parts p = parts(y);
    return toGrid(p.mean.gather(1, p.logits.argmax(1, true)).squeeze(1));
  }

  Tensor sample(const Tensor& y, Pass& pass) const override {
    const Parts p = parts(y);
    const Tensor chosen = (p.logits + pass.draws.gumbel(p.logits.sizes())).argmax(1, true);
    const Tensor mean = p.mean.gather(1, chosen).squeeze(1);
    const Tensor scale = p.logScale.gather(1, chosen).squeeze(1).exp();
    const Tensor u = pass.draws.uniform(mean.sizes());
    return toGrid(mean + scale * (u.log() - (1.0 - u).log()));
  }

 private:
  struct Parts {
    Tensor logits, mean, logScale;  // each [B, components, inputSize]; locations on [-1, 1]
  };

  Parts parts(const Tensor& y) const {
    const auto each = y.view({y.size(0), 3, components_, inputSize_}).unbind(1);
    return {each[0], each[1], each[2].clamp_min(-7)};
  }
  static Tensor toUnit(const Tensor& x) { return (x + 1.0) * 0.5; }
  static Tensor toGrid(const Tensor& x) {
    return (toUnit(x.clamp(-1, 1)) * (kLevels - 1.0)).round() / (kLevels - 1.0);
  }

  int64_t inputSize_, components_;
};

}  // namespace

std::unique_ptr<Likelihood> makeCategorical(Weights& weights, const ModelSpec& spec) {
  return std::make_unique<Categorical>(weights, spec.inputSize());
}

std::unique_ptr<Likelihood> makeDiscretizedLogisticMixture(Weights& /*weights*/, const ModelSpec& spec) {
  return std::make_unique<LogisticMixture>(spec.inputSize(), spec.likelihood.integer("components"));
}

}  // namespace torchvae
