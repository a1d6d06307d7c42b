// The diagonal Gaussian posterior (Kingma and Welling 2014): mean and log-variance are linear in the
// features. And the one of a sampling network: the features give a code h first, of which a perceptron of its
// own makes mean and standard deviation.

#include <ATen/ops/cat.h>

#include "ops/gaussian_draw.h"
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
    return drawFrom(head(features), 1, pass);
  }
  Latent rsampleEach(const Tensor& features, int64_t count, Pass& pass) const override {
    return drawFrom(head(features), count, pass);
  }

  std::optional<Gaussian> gaussian(const Tensor& features) const override {
    return Gaussian::of(head(features));
  }
  Gaussian moments(const Tensor& features, Pass& /*pass*/) const override { return *gaussian(features); }

 protected:
  // Means and log-variances, [B, 2 D].
  virtual Tensor head(const Tensor& features) const = 0;

 private:
  Latent drawFrom(const Tensor& head, int64_t count, Pass& pass) const {
    const Tensor noise = pass.draws.normal({head.size(0) * count, latentSize_});
    const GaussianDraw draw = drawGaussian(pass.draws.context(), head, noise);
    Latent latent;
    latent.head = head;
    latent.z = draw.z;
    latent.logQ = draw.logQ;
    latent.fromStandardNormal = draw.divergence;
    return latent;
  }

  int64_t latentSize_;
};

class Diagonal : public GaussianPosterior {
 public:
  Diagonal(Weights& weights, const ModelSpec& spec, int64_t features)
      : GaussianPosterior(spec.latentSize),
        head_(weights, "posterior.mean", "posterior.logVariance", features, spec.latentSize) {}

 protected:
  Tensor head(const Tensor& features) const override { return head_(features); }

 private:
  LinearPair head_;
};

class SamplingNetwork : public GaussianPosterior {
 public:
  SamplingNetwork(Weights& weights, const ModelSpec& spec, int64_t features)
      : GaussianPosterior(spec.latentSize),
        code_(weights, "posterior.code", features, spec.posterior.integer("codeSize")),
        network_(weights, "posterior.network", spec.posterior.integer("codeSize"), widths(spec),
                 ActivationKind::kRelu) {}

 protected:
  Tensor head(const Tensor& features) const override {
    const auto parts = network_(code_(features)).chunk(2, 1);
    return at::cat({parts[0], parts[1] * 2.0}, 1);  // the network gives log sigma
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
