#include "vae/vae.h"

#include "error.h"
#include "ops/density.h"

namespace torchvae {

Vae::Vae(Weights& weights, const ModelSpec& spec) : spec_(spec) {
  encoder_ = makeEncoder(weights, spec_);
  posterior_ = makePosterior(weights, spec_, encoder_->outputSize());
  likelihood_ = makeLikelihood(weights, spec_);
  decoder_ = makeDecoder(weights, spec_, posterior_->codeSize(),
                         spec_.inputSize() * likelihood_->parametersPerValue());
  prior_ = makePrior(weights, spec_, *posterior_,
                     [this](const Tensor& x, Pass& pass) { return *posterior_->gaussian(encode(x, pass)); });
  if (spec_.condition.prior && spec_.prior.type != "standard-normal") {
    throw Error("ERR_SPEC", "The prior " + spec_.prior.type +
                                " takes no labels: leave condition.prior false or use 'standard-normal'");
  }
}

Tensor Vae::divergence(const Latent& latent, Pass& pass) const {
  if (latent.ownDivergence.defined()) return latent.ownDivergence;
  if (latent.fromStandardNormal.defined() && prior_->isStandardNormal()) return latent.fromStandardNormal;
  if (const auto q = latent.gaussian()) {
    if (const auto p = prior_->gaussian(pass)) return gaussianKl(*q, *p);
  }
  return logRatio(pass.draws.context(), latent.logQ, prior_->logProb(latent.z, pass));
}

}  // namespace torchvae
