// The diagonal Gaussian posterior (Kingma and Welling 2014): mean and log-variance are linear in the
// features. And the one of a sampling network: the features give a code h first, of which a perceptron of its
// own makes mean and standard deviation.

#include "posterior/tables.h"

namespace torchvae {
namespace {

class GaussianPosterior : public Posterior {
 public:
  explicit GaussianPosterior(int64_t latentSize) : latentSize_(latentSize) {}

  int64_t codeSize() const override { return latentSize_; }
  bool hasDensity() const override { return true; }
  bool isGaussian() const override { return true; }

  Latent rsample(const Tensor& features, Pass& pass) const override {
    Latent latent;
    latent.gaussian = gaussian(features);
    const Gaussian& q = *latent.gaussian;
    latent.z = q.rsample(pass.draws.normal(q.mean.sizes()));
    latent.logQ = gaussianLogProb(latent.z, q.mean, q.logVariance).sum(1);
    return latent;
  }

  Gaussian moments(const Tensor& features, Pass& /*pass*/) const override { return *gaussian(features); }

 private:
  int64_t latentSize_;
};

class Diagonal : public GaussianPosterior {
 public:
  Diagonal(Weights& weights, const ModelSpec& spec, int64_t features)
      : GaussianPosterior(spec.latentSize),
        mean_(weights, "posterior.mean", features, spec.latentSize),
        logVariance_(weights, "posterior.logVariance", features, spec.latentSize) {}

  std::optional<Gaussian> gaussian(const Tensor& features) const override {
    return Gaussian{mean_(features), logVariance_(features)};
  }

 private:
  Linear mean_, logVariance_;
};

class SamplingNetwork : public GaussianPosterior {
 public:
  SamplingNetwork(Weights& weights, const ModelSpec& spec, int64_t features)
      : GaussianPosterior(spec.latentSize),
        code_(weights, "posterior.code", features, spec.posterior.integer("codeSize")),
        network_(weights, "posterior.network", spec.posterior.integer("codeSize"), widths(spec),
                 ActivationKind::kRelu) {}

  std::optional<Gaussian> gaussian(const Tensor& features) const override {
    const auto parts = network_(code_(features)).chunk(2, 1);
    return Gaussian{parts[0], parts[1] * 2.0};  // the network gives log sigma
  }

 private:
  static std::vector<int64_t> widths(const ModelSpec& spec) {
    std::vector<int64_t> widths = spec.posterior.list("hidden");
    widths.push_back(2 * spec.latentSize);
    return widths;
  }

  Linear code_;
  Perceptron network_;
};

}  // namespace

std::unique_ptr<Posterior> makeGaussianPosterior(Weights& weights, const ModelSpec& spec, int64_t features) {
  return std::make_unique<Diagonal>(weights, spec, features);
}

std::unique_ptr<Posterior> makeSamplingNetwork(Weights& weights, const ModelSpec& spec, int64_t features) {
  return std::make_unique<SamplingNetwork>(weights, spec, features);
}

}  // namespace torchvae
