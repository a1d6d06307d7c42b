// Objectives that hold the codes of all x together to the prior, by the maximum mean discrepancy: InfoVAE
// (Zhao et al. 2019, eq. 6), reconstruction + (1 - alpha) KL + (alpha + lambda - 1) MMD, and the Wasserstein
// autoencoder (Tolstikhin et al. 2018, algorithm 2), reconstruction + lambda MMD.

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

#include "error.h"
#include "objective/tables.h"
#include "ops/distance_kernel.h"

namespace torchvae {
namespace {

// [n, m] squared distances.
Tensor squaredDistances(const Tensor& a, const Tensor& b) {
  const Tensor cross = a.matmul(b.t());
  return (a.square().sum(1, true) + b.square().sum(1).unsqueeze(0) - cross * 2.0).clamp_min(0);
}

// The weights of the pairs of n points of each of two samples in the unbiased estimate, [2 n, 2 n].
Tensor pairWeights(int64_t n, const c10::TensorOptions& options) {
  const auto count = static_cast<double>(n);
  Tensor weights = at::full({2 * n, 2 * n}, -1 / (count * count), options);
  const double within = 1 / (count * (count - 1));
  weights.narrow(0, 0, n).narrow(1, 0, n).fill_(within);
  weights.narrow(0, n, n).narrow(1, n, n).fill_(within);
  weights.diagonal().fill_(0);
  return weights;
}

// The unbiased estimate from two samples of n.
Tensor discrepancy(const Context& context, bool isRadial, const Tensor& a, const Tensor& b) {
  const int64_t n = a.size(0);
  if (n < 2) return a.sum() * 0.0;
  const Tensor points = at::cat({a, b});
  const Tensor kernels = sumOfKernels(context, squaredDistances(points, points), a.size(1), isRadial);
  return (kernels * pairWeights(n, a.options())).sum();
}

class Discrepancy : public Objective {
 public:
  Discrepancy(const PartSpec& spec, double klWeight, double weight)
      : isRadial_(spec.word("kernel") == "rbf"), klWeight_(klWeight), weight_(weight) {}

  std::vector<std::string> termNames() const override { return {"mmd"}; }

  Terms evaluate(const Vae& vae, const Tensor& x, int64_t /*examples*/, Pass& pass) const override {
    const Draft d = draft(vae, x, pass);
    const Tensor mmd =
        discrepancy(pass.draws.context(), isRadial_, d.latent.z, vae.prior().sample(x.size(0), pass));
    Tensor loss = meanReconstruction(d) + mmd * weight_;
    if (klWeight_ != 0) loss = loss + pass.beta * d.kl.mean() * klWeight_;
    return {loss, d.reconstruction, d.kl, {mmd}, {}};
  }

 private:
  bool isRadial_;
  double klWeight_, weight_;
};

void requireContinuous(const ModelSpec& spec, const Vae& vae) {
  if (!vae.prior().isCategorical()) return;
  throw Error("ERR_SPEC", "The objective " + spec.objective.type +
                              " compares distances between codes, and the posterior " + spec.posterior.type +
                              " has categories: use objective 'elbo'");
}

}  // namespace

std::unique_ptr<Objective> makeInfo(Weights& /*weights*/, const ModelSpec& spec, const Vae& vae) {
  requireContinuous(spec, vae);
  const double alpha = spec.objective.number("alpha");
  return std::make_unique<Discrepancy>(spec.objective, 1 - alpha,
                                       alpha + spec.objective.number("lambda") - 1);
}

std::unique_ptr<Objective> makeWasserstein(Weights& /*weights*/, const ModelSpec& spec, const Vae& vae) {
  requireContinuous(spec, vae);
  return std::make_unique<Discrepancy>(spec.objective, 0, spec.objective.number("lambda"));
}

}  // namespace torchvae
