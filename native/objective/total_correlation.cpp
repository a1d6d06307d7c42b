// Objectives that weigh the parts of the divergence apart, or press the codes' distribution to factorize:
// beta-TC (Chen et al. 2018), with q(z) estimated from the batch by minibatch weighting or stratified
// sampling (appendix C), and DIP-VAE (Kumar et al. 2018).

#include <ATen/ops/diag.h>

#include "error.h"
#include "objective/tables.h"
#include "ops/density.h"

namespace torchvae {
namespace {

void requireGaussian(const ModelSpec& spec, const Vae& vae) {
  if (vae.posterior().isGaussian()) return;
  throw Error("ERR_SPEC", "The objective " + spec.objective.type +
                              " needs a Gaussian q(z|x), which the posterior " + spec.posterior.type +
                              " is not: use posterior 'gaussian'");
}

class BetaTc : public Objective {
 public:
  explicit BetaTc(const PartSpec& spec)
      : alpha_(spec.number("alpha")),
        gamma_(spec.number("gamma")),
        stratified_(spec.word("estimator") == "stratified") {}

  std::vector<std::string> termNames() const override {
    return {"mutualInformation", "totalCorrelation", "dimensionwiseKl"};
  }

  Terms evaluate(const Vae& vae, const Tensor& x, int64_t examples, Pass& pass) const override {
    const Draft d = draft(vae, x, pass);
    const Gaussian q = *d.latent.gaussian();
    const cpu::PairWeights weight = cpu::pairWeights(stratified_, x.size(0), examples);
    const auto [joint, product] =
        aggregateLogDensities(pass.draws.context(), d.latent.z, q.mean, q.logVariance, weight);
    const Tensor logPrior = vae.prior().logProb(d.latent.z, pass);
    const Tensor information = (d.latent.logQ - joint).mean();
    const Tensor correlation = (joint - product).mean();
    const Tensor dimensionwise = (product - logPrior).mean();
    return {
        meanReconstruction(d, pass) + information * alpha_ + correlation * pass.beta + dimensionwise * gamma_,
        d.reconstruction,
        d.kl,
        {information, correlation, dimensionwise},
        {}};
  }

 private:
  double alpha_, gamma_;
  bool stratified_;
};

class Dip : public Objective {
 public:
  explicit Dip(const PartSpec& spec)
      : offDiagonal_(spec.number("offDiagonal")),
        diagonal_(spec.number("diagonal")),
        second_(spec.integer("variant") == 2) {}

  std::vector<std::string> termNames() const override { return {"covariancePenalty"}; }

  Terms evaluate(const Vae& vae, const Tensor& x, int64_t /*examples*/, Pass& pass) const override {
    const Draft d = draft(vae, x, pass);
    const Gaussian q = *d.latent.gaussian();
    const Tensor centered = q.mean - q.mean.mean(0, true);
    Tensor covariance = centered.t().matmul(centered) / static_cast<double>(x.size(0));
    if (second_) covariance = covariance + at::diag(q.logVariance.exp().mean(0));
    const Tensor own = covariance.diagonal();
    const Tensor off = covariance.square().sum() - own.square().sum();
    const Tensor penalty = off * offDiagonal_ + (own - 1.0).square().sum() * diagonal_;
    return {meanReconstruction(d, pass) + pass.beta * meanDivergence(d, pass) + penalty,
            d.reconstruction,
            d.kl,
            {penalty},
            {}};
  }

 private:
  double offDiagonal_, diagonal_;
  bool second_;
};

}  // namespace

std::unique_ptr<Objective> makeBetaTc(Weights& /*weights*/, const ModelSpec& spec, const Vae& vae) {
  requireGaussian(spec, vae);
  return std::make_unique<BetaTc>(spec.objective);
}

std::unique_ptr<Objective> makeDip(Weights& /*weights*/, const ModelSpec& spec, const Vae& vae) {
  requireGaussian(spec, vae);
  return std::make_unique<Dip>(spec.objective);
}

}  // namespace torchvae
