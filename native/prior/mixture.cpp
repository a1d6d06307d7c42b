// Mixtures of diagonal Gaussians: one of learned components, and the VampPrior (Tomczak and Welling 2018),
// whose components are the posteriors of learned pseudo-inputs.

#include <ATen/ops/zeros.h>

#include <cmath>

#include "error.h"
#include "ops/activation.h"
#include "ops/density.h"
#include "prior/tables.h"
#include "store/pseudo_inputs.h"

namespace torchvae {
namespace {

class GaussianMixture : public Prior {
 public:
  Tensor logProb(const Tensor& z, Pass& pass) const override {
    const auto [components, logits] = mixture(pass);
    return mixtureLogDensity(pass.draws.context(), z, components.mean, components.logVariance,
                             logits.defined() ? logits.log_softmax(0) : logits);
  }

  Tensor sample(int64_t rows, Pass& pass) const override {
    const auto [components, logits] = mixture(pass);
    const int64_t count = components.mean.size(0);
    const Tensor chosen =
        drawComponents(logits.defined() ? logits : at::zeros({count}, components.mean.options()), rows, pass);
    const Gaussian each{components.mean.index_select(0, chosen),
                        components.logVariance.index_select(0, chosen)};
    return each.rsample(pass.draws.normal(each.mean.sizes()));
  }

 protected:
  struct Components {
    Gaussian each;  // [components, D]
    Tensor logits;  // [components]; undefined where all are as likely
  };
  virtual Components mixture(Pass& pass) const = 0;
};

class LearnedMixture : public GaussianMixture {
 public:
  LearnedMixture(Weights& weights, const ModelSpec& spec, int64_t codeSize)
      : mean_(weights.parameter("prior.mean", {spec.prior.integer("components"), codeSize}, Init::normal(1))),
        logVariance_(weights.parameter("prior.logVariance", {spec.prior.integer("components"), codeSize},
                                       Init::constant(0))),
        logits_(weights.parameter("prior.logits", {spec.prior.integer("components")}, Init::constant(0))) {}

 protected:
  Components mixture(Pass& /*pass*/) const override { return {{*mean_, *logVariance_}, *logits_}; }

 private:
  Weight mean_, logVariance_, logits_;
};

class VampPrior : public GaussianMixture {
 public:
  VampPrior(Weights& weights, const ModelSpec& spec, PosteriorOf posteriorOf)
      : unit_(areUnitInputs(spec.likelihood)),
        posteriorOf_(std::move(posteriorOf)),
        // Spread like dim, noisy data around the middle of the unit interval, or around zero.
        inputs_(weights.parameter(kPseudoInputs, {spec.prior.integer("components"), spec.inputSize()},
                                  Init::normal(unit_ ? 1 : 0.1))) {}

 protected:
  Components mixture(Pass& pass) const override {
    const Tensor x = unit_ ? activate(pass.draws.context(), ActivationKind::kSigmoid, *inputs_) : *inputs_;
    return {pass.draws.ofNoRows([&] { return posteriorOf_(x, pass); }), {}};
  }

 private:
  bool unit_;
  PosteriorOf posteriorOf_;
  Weight inputs_;
};

}  // namespace

std::unique_ptr<Prior> makeMixture(Weights& weights, const ModelSpec& spec, const Posterior& posterior,
                                   const PosteriorOf& /*posteriorOf*/) {
  return std::make_unique<LearnedMixture>(weights, spec, posterior.codeSize());
}

std::unique_ptr<Prior> makeVampPrior(Weights& weights, const ModelSpec& spec, const Posterior& posterior,
                                     const PosteriorOf& posteriorOf) {
  if (!posterior.isGaussian()) {
    throw Error("ERR_SPEC", "The prior 'vamp' is a mixture of Gaussian posteriors, and the posterior " +
                                spec.posterior.type + " is none: use posterior 'gaussian'");
  }
  if (spec.condition.encoder) {
    throw Error(
        "ERR_SPEC",
        "The prior 'vamp' has inputs without labels: leave condition.encoder false or use another prior");
  }
  if (spec.likelihood.type == "tokens") {
    throw Error(
        "ERR_SPEC",
        "The prior 'vamp' learns inputs, and tokens cannot be learned by derivatives: use prior 'mixture'");
  }
  return std::make_unique<VampPrior>(weights, spec, posteriorOf);
}

}  // namespace torchvae
