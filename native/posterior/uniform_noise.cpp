// Uniform noise on a deterministic code, z = h + u with u ~ U(-1/2, 1/2) for each dimension (as in learned
// compression, Balle et al. 2017): q is the unit box around h, and its log-density zero. The code may be
// batch-normalized.

#include <ATen/ops/full_like.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "posterior/tables.h"

namespace torchvae {
namespace {

class UniformNoise : public Posterior {
 public:
  UniformNoise(Weights& weights, const ModelSpec& spec, int64_t features)
      : latentSize_(spec.latentSize), code_(weights, "posterior.code", features, spec.latentSize) {
    if (spec.posterior.flag("batchNorm")) {
      norm_ = Norm(weights, "posterior.norm", NormKind::kBatch, spec.latentSize);
    }
  }

  int64_t codeSize() const override { return latentSize_; }
  bool hasDensity() const override { return true; }

  Latent rsample(const Tensor& features, Pass& pass) const override {
    const Tensor code = norm_(code_(features), pass);
    Latent latent;
    latent.z = code + (pass.draws.uniform(code.sizes()) - 0.5);
    latent.logQ = at::zeros({code.size(0)}, code.options());
    return latent;
  }

  Gaussian moments(const Tensor& features, Pass& pass) const override {
    const Tensor code = norm_(code_(features), pass);
    return {code, at::full_like(code, -std::log(12.0))};
  }

 private:
  int64_t latentSize_;
  Linear code_;
  Norm norm_;
};

}  // namespace

std::unique_ptr<Posterior> makeUniformNoise(Weights& weights, const ModelSpec& spec, int64_t features) {
  return std::make_unique<UniformNoise>(weights, spec, features);
}

}  // namespace torchvae
