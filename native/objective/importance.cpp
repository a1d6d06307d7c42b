// The importance-weighted bound (Burda et al. 2016, eq. 8), and its doubly reparameterized gradient for the
// encoder (Tucker et al. 2019, eq. 8), whose signal does not fade as k grows.

#include "objective/importance.h"

#include <ATen/ops/logsumexp.h>
#include <ATen/ops/repeat_interleave.h>

#include <cmath>

#include "error.h"
#include "objective/tables.h"

namespace torchvae {

Importance importanceWeights(const Vae& vae, const Tensor& x, int64_t k, bool stopsDensity, Pass& pass) {
  const int64_t rows = x.size(0);
  const Tensor labels = pass.labels;
  const Tensor features = vae.encode(x, pass);
  if (labels.defined()) pass.labels = labels.repeat_interleave(k, 0);
  Importance importance;
  Latent& latent = importance.latent;
  latent = vae.posterior().rsampleEach(features, k, pass);
  Tensor logQ = latent.logQ;
  if (stopsDensity) {
    logQ = gaussianLogProb(latent.z, latent.gaussian->mean.detach(), latent.gaussian->logVariance.detach())
               .sum(1);
  }
  const Tensor y = vae.decode(latent.z, pass);
  const Tensor repeated = x.repeat_interleave(k, 0);
  importance.reconstruction = vae.likelihood().negativeLogProb(repeated, y).view({rows, k});
  importance.rate = (logQ - vae.prior().logProb(latent.z, pass)).view({rows, k});
  importance.logWeight = -importance.reconstruction - importance.rate;
  pass.labels = labels;
  return importance;
}

Tensor importanceBound(const Tensor& logWeight) {
  return at::logsumexp(logWeight, {1}) - std::log(static_cast<double>(logWeight.size(1)));
}

namespace {

class ImportanceWeighted : public Objective {
 public:
  ImportanceWeighted(int64_t samples, bool doubly) : samples_(samples), doubly_(doubly) {}

  std::vector<std::string> termNames() const override { return {"bound"}; }

  Terms evaluate(const Vae& vae, const Tensor& x, int64_t /*examples*/, Pass& pass) const override {
    const Importance w = importanceWeights(vae, x, samples_, doubly_, pass);
    const Tensor bound = importanceBound(w.logWeight);
    return {doubly_ ? doublyReparameterized(w, bound.mean()) : -bound.mean(),
            w.reconstruction.mean(1).detach(),
            w.rate.mean(1).detach(),
            {bound.mean()},
            {}};
  }

 private:
  // The decoder's gradient weighs each draw by its normalized weight, the encoder's by the square of it. The
  // value is the bound's.
  static Tensor doublyReparameterized(const Importance& w, const Tensor& bound) {
    const Tensor weight = w.logWeight.detach().softmax(1);
    if (w.latent.z.requires_grad()) {
      const Tensor each = weight.flatten().unsqueeze(1);
      w.latent.z.register_hook([each](const Tensor& gradient) { return gradient * each; });
    }
    const Tensor mean = (weight * w.logWeight).sum(1).mean();
    return (mean - bound).detach() - mean;
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
