// A point: z is linear in the features. For autoencoders that are regularized otherwise (Ghosh et al. 2020;
// Tolstikhin et al. 2018); there is no divergence to weigh.

#include <ATen/ops/full_like.h>
#include <ATen/ops/zeros.h>

#include <limits>

#include "posterior/tables.h"

namespace torchvae {
namespace {

class Deterministic : public Posterior {
 public:
  Deterministic(Weights& weights, const ModelSpec& spec, int64_t features)
      : latentSize_(spec.latentSize), code_(weights, "posterior.code", features, spec.latentSize) {}

  int64_t codeSize() const override { return latentSize_; }
  Own ownDivergence() const override { return Own::kStandardNormal; }

  Latent rsample(const Tensor& features, Pass& /*pass*/) const override {
    Latent latent;
    latent.z = code_(features);
    latent.ownDivergence = at::zeros({features.size(0), 1}, latent.z.options());
    return latent;
  }

  Gaussian moments(const Tensor& features, Pass& /*pass*/) const override {
    const Tensor z = code_(features);
    return {z, at::full_like(z, -std::numeric_limits<double>::infinity())};
  }

 private:
  int64_t latentSize_;
  Linear code_;
};

}  // namespace

std::unique_ptr<Posterior> makeDeterministic(Weights& weights, const ModelSpec& spec, int64_t features) {
  return std::make_unique<Deterministic>(weights, spec, features);
}

}  // namespace torchvae
