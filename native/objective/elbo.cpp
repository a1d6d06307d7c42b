// The evidence lower bound (Kingma and Welling 2014) with the weight beta on its divergence (Higgins et al.
// 2017). With a capacity C the divergence is held to C nats instead, beta |KL - C| (Burgess et al. 2018);
// with free bits each dimension's divergence, averaged over the batch, costs nothing below lambda (Kingma et
// al. 2016).

#include "objective/tables.h"
#include "ops/means.h"
#include "pass/whole_batch.h"

namespace torchvae {
namespace {

class Elbo : public Objective {
 public:
  explicit Elbo(const PartSpec& spec)
      : freeBits_(spec.number("freeBits")), hasCapacity_(spec.flag("hasCapacity")) {}

  bool couplesRows() const override { return hasCapacity_ || freeBits_ > 0; }

  Terms evaluate(const Vae& vae, const Tensor& x, int64_t /*examples*/, Pass& pass) const override {
    const Draft d = draft(vae, x, pass);
    return {loss(d, pass), d.reconstruction, d.kl, {}, {}};
  }

 private:
  Tensor loss(const Draft& d, const Pass& pass) const {
    if (!hasCapacity_ && freeBits_ == 0) {
      std::vector<Averaged> terms{{d.reconstruction, {}}, {d.divergence, pass.beta}};
      if (d.latent.penalty.defined()) terms.push_back({d.latent.penalty, {}});
      return sumOfMeans(pass.draws.context(), terms);
    }
    const Tensor each = meanOfBatch(pass, d.divergence);
    const Tensor cost = hasCapacity_ ? (each.sum() - pass.capacity).abs() : each.clamp_min(freeBits_).sum();
    return meanReconstruction(d, pass) + pass.beta * cost;
  }

  double freeBits_;
  bool hasCapacity_;
};

}  // namespace

std::unique_ptr<Objective> makeElbo(Weights& /*weights*/, const ModelSpec& spec, const Vae& /*vae*/) {
  return std::make_unique<Elbo>(spec.objective);
}

}  // namespace torchvae
