// The inverse autoregressive flow (Kingma et al. 2016, algorithm 1): a diagonal Gaussian draw, carried
// through masked perceptrons that each make gate and shift of a dimension from those before it, and from a
// context h:
//   z <- s z + (1 - s) m with s = sigmoid(gate),  log q decreases by sum log s.
// The order of the dimensions is reversed between the steps.

#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "ops/flow.h"
#include "ops/gaussian_draw.h"
#include "posterior/tables.h"

namespace torchvae {
namespace {

// Declares or finds a step's masked autoencoder (Germain et al. 2015) of one hidden layer: output i of each
// of the two blocks of D depends on inputs 0, ..., i - 1 and on the context, which is all that output 0
// depends on.
FlowStep makeStep(Weights& weights, const std::string& name, int64_t size, int64_t hidden, int64_t context) {
  const auto bound = [](int64_t in) { return Init::uniform(1 / std::sqrt(static_cast<double>(in))); };
  FlowStep step;
  step.firstWeight = weights.parameter(name + ".0.weight", {hidden, size}, bound(size)).leaf();
  step.firstBias = weights.parameter(name + ".0.bias", {hidden}, bound(size)).leaf();
  step.contextWeight = weights.parameter(name + ".context.weight", {hidden, context}, bound(context)).leaf();
  step.contextBias = weights.parameter(name + ".context.bias", {hidden}, bound(context)).leaf();
  // Small, and the gates open: each step begins close to the identity.
  step.secondWeight = weights.parameter(name + ".1.weight", {2 * size, hidden}, Init::normal(1e-2)).leaf();
  step.secondBias = weights.parameter(name + ".1.bias", {2 * size}, Init::constant(0)).leaf();
  if (weights.declaring()) return step;
  const auto options = step.secondBias.options().requires_grad(false);
  // Degrees 1 .. D of the dimensions, and 0 .. D - 1 in turn of the hidden units.
  const Tensor in = at::arange(1, size + 1, options);
  const Tensor unit = at::arange(0, hidden, options).remainder(size);
  step.firstMask = unit.unsqueeze(1).ge(in.unsqueeze(0)).to(options.dtype());
  const Tensor second = in.unsqueeze(1).gt(unit.unsqueeze(0)).to(options.dtype());
  step.secondMask = second.repeat({2, 1});
  return step;
}

class InverseAutoregressiveFlow : public Posterior {
 public:
  InverseAutoregressiveFlow(Weights& weights, const ModelSpec& spec, int64_t features)
      : latentSize_(spec.latentSize),
        head_(weights, "posterior.mean", "posterior.logVariance", features, spec.latentSize) {
    const int64_t context = spec.posterior.integer("context");
    context_ = Linear(weights, "posterior.context", features, context);
    for (int64_t i = 0; i < spec.posterior.integer("steps"); ++i) {
      steps_.push_back(makeStep(weights, "posterior.flow." + std::to_string(i), spec.latentSize,
                                spec.posterior.integer("hidden"), context));
    }
  }

  int64_t codeSize() const override { return latentSize_; }
  bool hasDensity() const override { return true; }

  Latent rsample(const Tensor& features, Pass& pass) const override {
    const Tensor noise = pass.draws.normal({features.size(0), latentSize_});
    const GaussianDraw draw = drawGaussian(pass.draws.context(), head_(features), noise);
    const Flowed flowed = flow(pass, {draw.z, draw.logQ}, features);
    Latent latent;
    latent.z = flowed.z;
    latent.logQ = flowed.logQ;
    return latent;
  }

  // The flow has no moments in closed form: the base's mean is carried through it, and the base's variance is
  // given as it is.
  Gaussian moments(const Tensor& features, Pass& pass) const override {
    const Gaussian base = Gaussian::of(head_(features));
    const Tensor unread = at::zeros({features.size(0)}, features.options());
    return {flow(pass, {base.mean, unread}, features).z, base.logVariance};
  }

 private:
  Flowed flow(const Pass& pass, const Flowed& base, const Tensor& features) const {
    return autoregressiveFlow(pass.draws.context(), steps_, base, context_(features, ActivationKind::kElu));
  }

  int64_t latentSize_;
  LinearPair head_;
  Linear context_;
  std::vector<FlowStep> steps_;
};

}  // namespace

std::unique_ptr<Posterior> makeInverseAutoregressiveFlow(Weights& weights, const ModelSpec& spec,
                                                         int64_t features) {
  return std::make_unique<InverseAutoregressiveFlow>(weights, spec, features);
}

}  // namespace torchvae
