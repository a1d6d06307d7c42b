// The inverse autoregressive flow (Kingma et al. 2016, algorithm 1): a diagonal Gaussian draw, carried
// through masked perceptrons that each make gate and shift of a dimension from those before it, and from a
// context h:
//   z <- s z + (1 - s) m with s = sigmoid(gate),  log q decreases by sum log s.
// The order of the dimensions is reversed between the steps.

#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "ops/activation.h"
#include "ops/gate.h"
#include "ops/gaussian_draw.h"
#include "ops/masked_linear.h"
#include "posterior/tables.h"

namespace torchvae {
namespace {

// A masked autoencoder (Germain et al. 2015) of one hidden layer: output i of each of the two blocks of D
// depends on inputs 0, ..., i - 1 and on the context, which is all that output 0 depends on.
class MaskedStep {
 public:
  MaskedStep(Weights& weights, const std::string& name, int64_t size, int64_t hidden, int64_t context) {
    const auto bound = [](int64_t in) { return Init::uniform(1 / std::sqrt(static_cast<double>(in))); };
    firstWeight_ = weights.parameter(name + ".0.weight", {hidden, size}, bound(size));
    firstBias_ = weights.parameter(name + ".0.bias", {hidden}, bound(size));
    contextOf_ = Linear(weights, name + ".context", context, hidden);
    // Small, and the gates open: each step begins close to the identity.
    secondWeight_ = weights.parameter(name + ".1.weight", {2 * size, hidden}, Init::normal(1e-2));
    secondBias_ = weights.parameter(name + ".1.bias", {2 * size}, Init::constant(0));
    if (weights.declaring()) return;
    const auto options = secondBias_.leaf().options().requires_grad(false);
    // Degrees 1 .. D of the dimensions, and 0 .. D - 1 in turn of the hidden units.
    const Tensor in = at::arange(1, size + 1, options);
    const Tensor unit = at::arange(0, hidden, options).remainder(size);
    firstMask_ = unit.unsqueeze(1).ge(in.unsqueeze(0)).to(options.dtype());
    const Tensor second = in.unsqueeze(1).gt(unit.unsqueeze(0)).to(options.dtype());
    secondMask_ = second.repeat({2, 1});
  }

  // Shifts and gates, [B, 2 D].
  Tensor operator()(const Context& context, const Tensor& z, const Tensor& features) const {
    const Tensor ofCode = maskedLinear(context, z, *firstWeight_, firstMask_, *firstBias_);
    const Tensor h = activate(context, ActivationKind::kElu, ofCode + contextOf_(features));
    return maskedLinear(context, h, *secondWeight_, secondMask_, *secondBias_);
  }

 private:
  Weight firstWeight_, firstBias_, secondWeight_, secondBias_;
  Linear contextOf_;
  Tensor firstMask_, secondMask_;
};

class InverseAutoregressiveFlow : public Posterior {
 public:
  InverseAutoregressiveFlow(Weights& weights, const ModelSpec& spec, int64_t features)
      : latentSize_(spec.latentSize),
        head_(weights, "posterior.mean", "posterior.logVariance", features, spec.latentSize) {
    const int64_t context = spec.posterior.integer("context");
    context_ = Linear(weights, "posterior.context", features, context);
    for (int64_t i = 0; i < spec.posterior.integer("steps"); ++i) {
      steps_.emplace_back(weights, "posterior.flow." + std::to_string(i), spec.latentSize,
                          spec.posterior.integer("hidden"), context);
    }
  }

  int64_t codeSize() const override { return latentSize_; }
  bool hasDensity() const override { return true; }

  Latent rsample(const Tensor& features, Pass& pass) const override {
    const Tensor noise = pass.draws.normal({features.size(0), latentSize_});
    const GaussianDraw draw = drawGaussian(pass.draws.context(), head_(features), noise);
    Latent latent;
    latent.z = draw.z;
    latent.logQ = draw.logQ;
    flow(pass, latent.z, latent.logQ, features);
    return latent;
  }

  // The flow has no moments in closed form: the base's mean is carried through it, and the base's variance is
  // given as it is.
  Gaussian moments(const Tensor& features, Pass& pass) const override {
    Gaussian base = Gaussian::of(head_(features));
    Tensor unread = at::zeros({features.size(0)}, features.options());
    flow(pass, base.mean, unread, features);
    return base;
  }

 private:
  void flow(const Pass& pass, Tensor& z, Tensor& logQ, const Tensor& features) const {
    const Context& context = pass.draws.context();
    const Tensor given = context_(features, ActivationKind::kElu);
    for (size_t i = 0; i < steps_.size(); ++i) {
      if (i > 0) z = z.flip({1});
      const Gated gated = gate(context, z, steps_[i](context, z, given));
      z = gated.z;
      logQ = logQ - gated.logSlope;
    }
  }

  int64_t latentSize_;
  LinearPair head_;
  Linear context_;
  std::vector<MaskedStep> steps_;
};

}  // namespace

std::unique_ptr<Posterior> makeInverseAutoregressiveFlow(Weights& weights, const ModelSpec& spec,
                                                         int64_t features) {
  return std::make_unique<InverseAutoregressiveFlow>(weights, spec, features);
}

}  // namespace torchvae
