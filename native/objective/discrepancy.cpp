// Objectives that hold the codes of all x together to the prior, by the maximum mean discrepancy: InfoVAE
// (Zhao et al. 2019, eq. 6), reconstruction + (1 - alpha) KL + (alpha + lambda - 1) MMD, and the Wasserstein
// autoencoder (Tolstikhin et al. 2018, algorithm 2), reconstruction + lambda MMD.

#include "ops/discrepancy.h"

#include "error.h"
#include "objective/tables.h"
#include "pass/whole_batch.h"

namespace torchvae {
namespace {

class Discrepancy : public Objective {
 public:
  Discrepancy(const PartSpec& spec, double klWeight, double weight)
      : isRadial_(spec.word("kernel") == "rbf"), klWeight_(klWeight), weight_(weight) {}

  bool couplesRows() const override { return true; }
  std::vector<std::string> termNames() const override { return {"mmd"}; }

  Terms evaluate(const Vae& vae, const Tensor& x, int64_t /*examples*/, Pass& pass) const override {
    const Draft d = draft(vae, x, pass);
    const Tensor prior = vae.prior().sample(x.size(0), pass);
    const Tensor mmd = discrepancyOf(rowsOfBatch(pass, d.latent.z), rowsOfBatch(pass, prior), pass);
    Tensor loss = meanReconstruction(d, pass) + mmd * weight_;
    if (klWeight_ != 0) loss = loss + pass.beta * meanDivergence(d, pass) * klWeight_;
    return {loss, d.reconstruction, d.kl, {mmd}, {}};
  }

 private:
  // One point has no distance to others.
  Tensor discrepancyOf(const Tensor& z, const Tensor& prior, const Pass& pass) const {
    return z.size(0) < 2 ? z.sum() * 0.0 : discrepancy(pass.draws.context(), isRadial_, z, prior);
  }

  bool isRadial_;
  double klWeight_, weight_;
};

void requireContinuous(const ModelSpec& spec, const Vae& vae) {
  if (!vae.prior().isCategorical()) return;
  throw Error("ERR_SPEC", "The objective " + spec.objective.type +
                              " compares distances between codes, and the posterior " + spec.posterior.type +
                              " has categories: use objective 'elbo'");
}

}  // namespace

std::unique_ptr<Objective> makeInfo(Weights& /*weights*/, const ModelSpec& spec, const Vae& vae) {
  requireContinuous(spec, vae);
  const double alpha = spec.objective.number("alpha");
  return std::make_unique<Discrepancy>(spec.objective, 1 - alpha,
                                       alpha + spec.objective.number("lambda") - 1);
}

std::unique_ptr<Objective> makeWasserstein(Weights& /*weights*/, const ModelSpec& spec, const Vae& vae) {
  requireContinuous(spec, vae);
  return std::make_unique<Discrepancy>(spec.objective, 0, spec.objective.number("lambda"));
}

}  // namespace torchvae
