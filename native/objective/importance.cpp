// The importance-weighted bound (Burda et al. 2016, eq. 8), and its doubly reparameterized gradient for the
// encoder (Tucker et al. 2019, eq. 8), whose signal does not fade as k grows.

#include "objective/importance.h"

#include <ATen/ops/repeat_interleave.h>

#include "error.h"
#include "objective/tables.h"
#include "ops/importance.h"
#include "ops/means.h"

namespace torchvae {

Importance importanceWeights(const Vae& vae, const Tensor& x, int64_t k, bool stopsDensity, Pass& pass) {
  const Tensor labels = pass.labels;
  const Tensor features = vae.encode(x, pass);
  if (labels.defined()) pass.labels = labels.repeat_interleave(k, 0);
  Importance importance;
  importance.draws = k;
  Latent& latent = importance.latent;
  latent = vae.posterior().rsampleEach(features, k, pass);
  importance.logQ = latent.logQ;
  if (stopsDensity) {
    const Gaussian q = Gaussian::of(latent.head.detach().repeat_interleave(k, 0));
    importance.logQ = gaussianLogProb(latent.z, q.mean, q.logVariance).sum(1);
  }
  const Tensor y = vae.decode(latent.z, pass);
  importance.reconstruction = vae.likelihood().negativeLogProb(repeatedRows(pass.draws.context(), x, k), y);
  importance.logPrior = vae.prior().logProb(latent.z, pass);
  pass.labels = labels;
  return importance;
}

namespace {

class ImportanceWeighted : public Objective {
 public:
  ImportanceWeighted(int64_t samples, bool doubly) : samples_(samples), doubly_(doubly) {}

  std::vector<std::string> termNames() const override { return {"bound"}; }

  Terms evaluate(const Vae& vae, const Tensor& x, int64_t /*examples*/, Pass& pass) const override {
    const Importance w = importanceWeights(vae, x, samples_, doubly_, pass);
    const Context& context = pass.draws.context();
    const ImportanceBound bound = importanceBound(context, samples_, w.reconstruction, w.logQ, w.logPrior);
    const Tensor cost = sumOfMeans(context, {{bound.cost, {}}});
    return {doubly_ ? doublyReparameterized(w, cost) : cost,
            bound.reconstruction,
            bound.rate,
            {-cost.detach()},
            {}};
  }

 private:
  // The decoder's gradient weighs each draw by its normalized weight, the encoder's by the square of it. The
  // value is `cost`.
  static Tensor doublyReparameterized(const Importance& w, const Tensor& cost) {
    const Tensor logWeight = w.logWeight();
    const Tensor weight = logWeight.detach().softmax(1);
    if (w.latent.z.requires_grad()) {
      const Tensor each = weight.flatten().unsqueeze(1);
      w.latent.z.register_hook([each](const Tensor& gradient) { return gradient * each; });
    }
    const Tensor mean = (weight * logWeight).sum(1).mean();
    return (mean + cost).detach() - mean;
  }

  int64_t samples_;
  bool doubly_;
};

}  // namespace

std::unique_ptr<Objective> makeImportanceWeighted(Weights& /*weights*/, const ModelSpec& spec,
                                                  const Vae& vae) {
  if (!vae.posterior().hasDensity()) {
    throw Error("ERR_SPEC", "The objective iwae needs the density of q(z|x), which the posterior " +
                                spec.posterior.type + " does not have: use posterior 'gaussian'");
  }
  return std::make_unique<ImportanceWeighted>(spec.objective.integer("samples"), false);
}

std::unique_ptr<Objective> makeDoublyReparameterized(Weights& /*weights*/, const ModelSpec& spec,
                                                     const Vae& vae) {
  if (!vae.posterior().isGaussian()) {
    throw Error("ERR_SPEC", "The objective dreg needs a Gaussian q(z|x), which the posterior " +
                                spec.posterior.type + " is not: use posterior 'gaussian'");
  }
  return std::make_unique<ImportanceWeighted>(spec.objective.integer("samples"), true);
}

}  // namespace torchvae
