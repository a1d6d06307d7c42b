// Objectives that weigh the parts of the divergence apart, or press the codes' distribution to factorize:
// beta-TC (Chen et al. 2018), with q(z) estimated from the batch by minibatch weighting or stratified
// sampling (appendix C), and DIP-VAE (Kumar et al. 2018).

#include <ATen/ops/diag.h>

#include "error.h"
#include "objective/tables.h"
#include "ops/density.h"
#include "pass/whole_batch.h"

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

  bool couplesRows() const override { return true; }
  std::vector<std::string> termNames() const override {
    return {"mutualInformation", "totalCorrelation", "dimensionwiseKl"};
  }

  Terms evaluate(const Vae& vae, const Tensor& x, int64_t examples, Pass& pass) const override {
    const Draft d = draft(vae, x, pass);
    const Gaussian q = *d.latent.gaussian();
    const Tensor z = rowsOfBatch(pass, d.latent.z);
    const cpu::PairWeights weight = cpu::pairWeights(stratified_, z.size(0), examples);
    const auto [joint, product] = aggregateLogDensities(pass.draws.context(), z, rowsOfBatch(pass, q.mean),
                                                        rowsOfBatch(pass, q.logVariance), weight);
    const Tensor logPrior = vae.prior().logProb(z, pass);
    const Tensor information = (rowsOfBatch(pass, d.latent.logQ) - joint).mean();
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

  bool couplesRows() const override { return true; }
  std::vector<std::string> termNames() const override { return {"covariancePenalty"}; }

  Terms evaluate(const Vae& vae, const Tensor& x, int64_t /*examples*/, Pass& pass) const override {
    const Draft d = draft(vae, x, pass);
    const Gaussian q = *d.latent.gaussian();
    const Tensor mean = rowsOfBatch(pass, q.mean);
    const Tensor centered = mean - mean.mean(0, true);
    Tensor covariance = centered.t().matmul(centered) / static_cast<double>(mean.size(0));
    if (second_) covariance = covariance + at::diag(meanOfBatch(pass, q.logVariance.exp()));
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
