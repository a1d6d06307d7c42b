// The Bernoulli-mixed posterior: z = e mu + (1 - e) sigma with e ~ Bernoulli(1/2) for each dimension, where
// mu and log sigma^2 are linear in the features. It has no density; the divergence that is reported and
// weighted is that of the Gaussian with the same mu and sigma.

#include "posterior/tables.h"

namespace torchvae {
namespace {

class BernoulliMixed : public Posterior {
 public:
  BernoulliMixed(Weights& weights, const ModelSpec& spec, int64_t features)
      : latentSize_(spec.latentSize),
        mean_(weights, "posterior.mean", features, spec.latentSize),
        logVariance_(weights, "posterior.logVariance", features, spec.latentSize) {}

  int64_t codeSize() const override { return latentSize_; }
  Own ownDivergence() const override { return Own::kStandardNormal; }

  Latent rsample(const Tensor& features, Pass& pass) const override {
    const Tensor mean = mean_(features);
    const Tensor logVariance = logVariance_(features);
    const Tensor e = pass.draws.uniform(mean.sizes()).lt(0.5).to(mean.scalar_type());
    Latent latent;
    latent.z = e * mean + (1.0 - e) * (logVariance * 0.5).exp();
    latent.ownDivergence = (mean.square() + logVariance.exp() - 1.0 - logVariance) * 0.5;
    return latent;
  }

  Gaussian moments(const Tensor& features, Pass& /*pass*/) const override {
    const Tensor mean = mean_(features);
    const Tensor sigma = (logVariance_(features) * 0.5).exp();
    return {(mean + sigma) * 0.5, ((mean - sigma) * 0.5).square().log()};
  }

 private:
  int64_t latentSize_;
  Linear mean_, logVariance_;
};

}  // namespace

std::unique_ptr<Posterior> makeBernoulliMixed(Weights& weights, const ModelSpec& spec, int64_t features) {
  return std::make_unique<BernoulliMixed>(weights, spec, features);
}

}  // namespace torchvae
