// Objectives that hold the codes of all x together to the prior, by the maximum mean discrepancy: InfoVAE
// (Zhao et al. 2019, eq. 6), reconstruction + (1 - alpha) KL + (alpha + lambda - 1) MMD, and the Wasserstein
// autoencoder (Tolstikhin et al. 2018, algorithm 2), reconstruction + lambda MMD.

#include "error.h"
#include "objective/tables.h"

namespace torchvae {
namespace {

// [n, m] squared distances.
Tensor squaredDistances(const Tensor& a, const Tensor& b) {
  const Tensor cross = a.matmul(b.t());
  return (a.square().sum(1, true) + b.square().sum(1).unsqueeze(0) - cross * 2.0).clamp_min(0);
}

class Kernel {
 public:
  explicit Kernel(const std::string& name) : isRadial_(name == "rbf") {}

  // At squared distances d of points of `size` dimensions; sums over scales, as the WAE's authors do.
  Tensor operator()(const Tensor& d, int64_t size) const {
    Tensor sum;
    for (const double scale : {0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0}) {
      const double c = 2.0 * static_cast<double>(size) * scale;
      const Tensor k = isRadial_ ? (d / -c).exp() : c / (d + c);
      sum = sum.defined() ? sum + k : k;
    }
    return sum;
  }

 private:
  bool isRadial_;
};

// The unbiased estimate from two samples of n.
Tensor discrepancy(const Kernel& kernel, const Tensor& a, const Tensor& b) {
  const int64_t n = a.size(0);
  const int64_t size = a.size(1);
  if (n < 2) return a.sum() * 0.0;
  const Tensor aa = kernel(squaredDistances(a, a), size);
  const Tensor bb = kernel(squaredDistances(b, b), size);
  const Tensor ab = kernel(squaredDistances(a, b), size);
  const auto pairs = static_cast<double>(n * (n - 1));
  return (aa.sum() - aa.trace() + bb.sum() - bb.trace()) / pairs - ab.mean() * 2.0;
}

class Discrepancy : public Objective {
 public:
  Discrepancy(const PartSpec& spec, double klWeight, double weight)
      : kernel_(spec.word("kernel")), klWeight_(klWeight), weight_(weight) {}

  std::vector<std::string> termNames() const override { return {"mmd"}; }

  Terms evaluate(const Composition& vae, const Tensor& x, int64_t /*examples*/, Pass& pass) const override {
    const Draft d = draft(vae, x, pass);
    const Tensor mmd = discrepancy(kernel_, d.latent.z, vae.prior().sample(x.size(0), pass));
    Tensor loss = meanReconstruction(d) + mmd * weight_;
    if (klWeight_ != 0) loss = loss + pass.beta * d.kl.mean() * klWeight_;
    return {loss, d.reconstruction, d.kl, {mmd}, {}};
  }

 private:
  Kernel kernel_;
  double klWeight_, weight_;
};

void requireContinuous(const ModelSpec& spec, const Composition& vae) {
  if (!vae.prior().isCategorical()) return;
  throw Error("ERR_SPEC", "The objective " + spec.objective.type +
                              " compares distances between codes, and the posterior " + spec.posterior.type +
                              " has categories: use objective 'elbo'");
}

}  // namespace

std::unique_ptr<Objective> makeInfo(Weights& /*weights*/, const ModelSpec& spec, const Composition& vae) {
  requireContinuous(spec, vae);
  const double alpha = spec.objective.number("alpha");
  return std::make_unique<Discrepancy>(spec.objective, 1 - alpha,
                                       alpha + spec.objective.number("lambda") - 1);
}

std::unique_ptr<Objective> makeWasserstein(Weights& /*weights*/, const ModelSpec& spec,
                                           const Composition& vae) {
  requireContinuous(spec, vae);
  return std::make_unique<Discrepancy>(spec.objective, 0, spec.objective.number("lambda"));
}

}  // namespace torchvae
