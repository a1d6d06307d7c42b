// N(0, I); and, where the prior is conditioned on labels, a normal with a learned mean and variance for each
// label (Sohn et al. 2015).

#include <ATen/ops/zeros.h>

#include "ops/density.h"
#include "prior/tables.h"

namespace torchvae {
namespace {

class StandardNormal : public Prior {
 public:
  StandardNormal(Weights& weights, const ModelSpec& spec, int64_t codeSize)
      : codeSize_(codeSize), conditioned_(spec.condition.prior) {
    if (conditioned_) {
      mean_ = Linear(weights, "prior.mean", spec.condition.classes, codeSize);
      logVariance_ = Linear(weights, "prior.logVariance", spec.condition.classes, codeSize);
    }
  }

  Tensor logProb(const Tensor& z, Pass& pass) const override {
    if (!conditioned_) return standardNormalLogDensity(pass.draws.context(), z);
    const Gaussian p = *gaussian(pass);
    return gaussianLogProb(z, p.mean, p.logVariance).sum(1);
  }

  Tensor sample(int64_t rows, Pass& pass) const override {
    const Tensor noise = pass.draws.normal({rows, codeSize_});
    return conditioned_ ? gaussian(pass)->rsample(noise) : noise;
  }

  bool isStandardNormal() const override { return !conditioned_; }
  std::optional<Gaussian> gaussian(Pass& pass) const override {
    if (conditioned_) return Gaussian{mean_(pass.labels), logVariance_(pass.labels)};
    const Tensor zero = at::zeros({1, codeSize_}, pass.beta.options());
    return Gaussian{zero, zero};
  }

 private:
  int64_t codeSize_;
  bool conditioned_;
  Linear mean_, logVariance_;
};

}  // namespace

std::unique_ptr<Prior> makeStandardNormal(Weights& weights, const ModelSpec& spec, const Posterior& posterior,
                                          const PosteriorOf& /*posteriorOf*/) {
  return std::make_unique<StandardNormal>(weights, spec, posterior.codeSize());
}

}  // namespace torchvae
