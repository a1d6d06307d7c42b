// Objectives with an opponent: FactorVAE (Kim and Mnih 2018), whose discriminator tells codes from codes with
// shuffled dimensions and so estimates the total correlation; and VAE-GAN (Larsen et al. 2016), whose
// discriminator tells data from reconstructions and samples, and whose features measure their likeness.

#include <ATen/ops/argsort.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/softplus.h>

#include "objective/tables.h"
#include "pass/whole_batch.h"

namespace torchvae {
namespace {

class Factor : public Objective {
 public:
  Factor(Weights& weights, const PartSpec& spec, int64_t codeSize)
      : gamma_(spec.number("gamma")), learningRate_(spec.number("learningRate")) {
    std::vector<int64_t> widths = spec.list("hidden");
    widths.push_back(1);
    Weights own = weights.adversary();
    discriminator_ = Perceptron(own, "adversary", codeSize, widths, ActivationKind::kLeakyRelu);
  }

  bool couplesRows() const override { return true; }
  std::vector<std::string> termNames() const override { return {"totalCorrelation", "adversary"}; }
  double adversaryLearningRate() const override { return learningRate_; }

  Terms evaluate(const Vae& vae, const Tensor& x, int64_t /*examples*/, Pass& pass) const override {
    const Draft d = draft(vae, x, pass);
    const Tensor z = rowsOfBatch(pass, d.latent.z);
    // The logit of "joint": log q(z) - log prod q(z_j) where the discriminator is the best there is.
    const Tensor correlation = discriminator_(z).mean();
    const Tensor places = rowsOfBatch(pass, pass.draws.uniform(d.latent.z.sizes()));
    const Tensor order = places.argsort(static_cast<int64_t>(0), false);
    const Tensor shuffled = z.detach().gather(0, order);
    const Tensor adversary =
        (at::softplus(-discriminator_(z.detach())).mean() + at::softplus(discriminator_(shuffled)).mean()) *
        0.5;
    return {meanReconstruction(d, pass) + pass.beta * meanDivergence(d, pass) + correlation * gamma_,
            d.reconstruction,
            d.kl,
            {correlation, adversary},
            adversary};
  }

 private:
  double gamma_, learningRate_;
  Perceptron discriminator_;
};

// A perceptron over x with one logit, and its last hidden layer as features.
class ImageDiscriminator {
 public:
  ImageDiscriminator() = default;
  ImageDiscriminator(Weights& weights, int64_t in, const std::vector<int64_t>& hidden)
      : body_(weights, "adversary.features", in, hidden, ActivationKind::kLeakyRelu),
        head_(weights, "adversary.logit", hidden.back(), 1) {}

  Tensor features(const Tensor& x) const { return activate(ActivationKind::kLeakyRelu, body_(x)); }
  Tensor logit(const Tensor& features) const { return head_(features); }

 private:
  Perceptron body_;
  Linear head_;
};

class Adversarial : public Objective {
 public:
  Adversarial(Weights& weights, const ModelSpec& spec)
      : pixels_(spec.objective.number("pixels")),
        features_(spec.objective.number("features")),
        adversarial_(spec.objective.number("adversarial")),
        learningRate_(spec.objective.number("learningRate")) {
    Weights own = weights.adversary();
    discriminator_ = ImageDiscriminator(own, spec.inputSize(), spec.objective.list("hidden"));
  }

  std::vector<std::string> termNames() const override { return {"features", "generator", "adversary"}; }
  double adversaryLearningRate() const override { return learningRate_; }

  Terms evaluate(const Vae& vae, const Tensor& x, int64_t /*examples*/, Pass& pass) const override {
    const Draft d = draft(vae, x, pass);
    const auto imageOf = [&](const Tensor& z) { return vae.likelihood().mean(vae.decode(z, pass)); };
    const Tensor real = discriminator_.features(x);
    const Tensor likeness =
        (discriminator_.features(vae.likelihood().mean(d.y)) - real.detach()).square().sum(1).mean() * 0.5;
    // The encoder is not to learn from the game: it plays with codes that it is not asked for.
    const Tensor played =
        at::cat({imageOf(d.latent.z.detach()), imageOf(vae.prior().sample(x.size(0), pass))});
    const Tensor generator = at::softplus(-discriminator_.logit(discriminator_.features(played))).mean();
    const Tensor adversary =
        at::softplus(-discriminator_.logit(discriminator_.features(x))).mean() +
        at::softplus(discriminator_.logit(discriminator_.features(played.detach()))).mean();
    const Tensor reconstruction = d.latent.penalty.defined()
                                      ? d.reconstruction.mean() * pixels_ + d.latent.penalty.mean()
                                      : d.reconstruction.mean() * pixels_;
    return {reconstruction + pass.beta * meanDivergence(d, pass) + likeness * features_ +
                generator * adversarial_,
            d.reconstruction,
            d.kl,
            {likeness, generator, adversary},
            adversary};
  }

 private:
  double pixels_, features_, adversarial_, learningRate_;
  ImageDiscriminator discriminator_;
};

}  // namespace

std::unique_ptr<Objective> makeFactor(Weights& weights, const ModelSpec& spec, const Vae& vae) {
  return std::make_unique<Factor>(weights, spec.objective, vae.posterior().codeSize());
}

std::unique_ptr<Objective> makeAdversarial(Weights& weights, const ModelSpec& spec, const Vae& /*vae*/) {
  return std::make_unique<Adversarial>(weights, spec);
}

}  // namespace torchvae
