// Relaxed categorical codes (Jang et al. 2017; Maddison et al. 2017): latentSize variables of `categories`
// values each, z = softmax((logits + g) / temperature) with Gumbel noise g while training, one-hot draws
// after. The divergence is that of the categorical distributions from the uniform one.

#include <ATen/ops/argmax.h>
#include <ATen/ops/one_hot.h>

#include <cmath>

#include "posterior/tables.h"

namespace torchvae {
namespace {

class GumbelSoftmax : public Posterior {
 public:
  GumbelSoftmax(Weights& weights, const ModelSpec& spec, int64_t features)
      : variables_(spec.latentSize),
        categories_(spec.posterior.integer("categories")),
        logits_(weights, "posterior.logits", features, variables_ * categories_) {}

  int64_t codeSize() const override { return variables_ * categories_; }
  Own ownDivergence() const override { return Own::kCategorical; }

  Latent rsample(const Tensor& features, Pass& pass) const override {
    const Tensor logits = shaped(features);
    const Tensor noisy = logits + pass.draws.gumbel(logits.sizes());
    Latent latent;
    latent.z = (pass.training ? (noisy / pass.temperature).softmax(2)
                              : at::one_hot(noisy.argmax(2), categories_).to(logits.scalar_type()))
                   .flatten(1);
    const Tensor logP = logits.log_softmax(2);
    latent.ownDivergence = (logP.exp() * (logP + std::log(static_cast<double>(categories_)))).sum(2);
    return latent;
  }

  Gaussian moments(const Tensor& features, Pass& /*pass*/) const override {
    const Tensor p = shaped(features).softmax(2).flatten(1);
    return {p, (p * (1.0 - p)).log()};
  }

 private:
  Tensor shaped(const Tensor& features) const {
    return logits_(features).view({features.size(0), variables_, categories_});
  }

  int64_t variables_, categories_;
  Linear logits_;
};

}  // namespace

std::unique_ptr<Posterior> makeGumbelSoftmax(Weights& weights, const ModelSpec& spec, int64_t features) {
  return std::make_unique<GumbelSoftmax>(weights, spec, features);
}

}  // namespace torchvae
