// Regularized autoencoders (Ghosh et al. 2020): a deterministic code with reconstruction + beta |z|^2 / 2 and
// either a penalty on the decoder's gradient or one on its weights.

#include <torch/csrc/autograd/autograd.h>

#include "error.h"
#include "objective/tables.h"

namespace torchvae {
namespace {

class Regularized : public Objective {
 public:
  Regularized(const Weights& weights, const PartSpec& spec)
      : gradientPenalty_(spec.number("gradientPenalty")),
        weightPenalty_(spec.number("weightPenalty")),
        decoder_(weights.parametersOf("decoder.")) {}

  bool differentiatesTwice() const override { return gradientPenalty_ != 0; }
  std::vector<std::string> termNames() const override {
    return {"codeNorm", "gradientPenalty", "weightPenalty"};
  }

  Terms evaluate(const Vae& vae, const Tensor& x, int64_t /*examples*/, Pass& pass) const override {
    const Draft d = draft(vae, x, pass);
    const Tensor norm = d.latent.z.square().sum(1).mean() * 0.5;
    const Tensor slope = gradientPenalty(vae, d, pass);
    const Tensor size = weightPenalty();
    return {meanReconstruction(d, pass) + pass.beta * norm + slope * gradientPenalty_ + size * weightPenalty_,
            d.reconstruction,
            d.kl,
            {norm, slope, size},
            {}};
  }

 private:
  // The squared Frobenius norm of d mean / dz, by Hutchinson's estimate: E |J^T v|^2 = |J|^2 for v ~ N(0, I).
  Tensor gradientPenalty(const Vae& vae, const Draft& d, Pass& pass) const {
    if (gradientPenalty_ == 0 || !d.latent.z.requires_grad()) return d.latent.z.sum() * 0.0;
    const Tensor mean = vae.likelihood().mean(d.y);
    const Tensor probe = pass.draws.normal(mean.sizes());
    const auto gradients = torch::autograd::grad({mean}, {d.latent.z}, {probe}, true, true);
    return gradients[0].square().sum(1).mean();
  }

  // The sum of the decoder's squared weights.
  Tensor weightPenalty() const {
    Tensor sum;
    for (const Weight& weight : decoder_) {
      const Tensor own = weight.values().square().sum();
      sum = sum.defined() ? sum + own : own;
    }
    return sum;
  }

  double gradientPenalty_, weightPenalty_;
  std::vector<Weight> decoder_;
};

}  // namespace

std::unique_ptr<Objective> makeRegularized(Weights& weights, const ModelSpec& spec, const Vae& /*vae*/) {
  if (spec.posterior.type != "deterministic") {
    throw Error("ERR_SPEC", "The objective rae is for posterior 'deterministic' but received " +
                                spec.posterior.type + ": change either");
  }
  return std::make_unique<Regularized>(weights, spec.objective);
}

}  // namespace torchvae
