#include "objective/objective.h"

#include "base/table.h"
#include "objective/tables.h"

namespace torchvae {
namespace {

struct Row {
  const char* name;
  MakeObjective* make;
};

#define TORCHVAE_ROW(name, make) {name, make},
constexpr Row kTable[] = {TORCHVAE_OBJECTIVES(TORCHVAE_ROW)};
#undef TORCHVAE_ROW

}  // namespace

std::unique_ptr<Objective> makeObjective(Weights& weights, const ModelSpec& spec, const Vae& vae) {
  return rowOf(kTable, "objective", spec.objective.type).make(weights, spec, vae);
}

Draft draft(const Vae& vae, const Tensor& x, Pass& pass) {
  Draft draft;
  draft.latent = vae.posterior().rsample(vae.encode(x, pass), pass);
  draft.divergence = vae.divergence(draft.latent, pass);
  draft.kl = draft.divergence.sum(1);
  draft.y = vae.decode(draft.latent.z, pass);
  draft.reconstruction = vae.likelihood().negativeLogProb(x, draft.y);
  return draft;
}

Tensor meanReconstruction(const Draft& draft) {
  const Tensor mean = draft.reconstruction.mean();
  return draft.latent.penalty.defined() ? mean + draft.latent.penalty.mean() : mean;
}

}  // namespace torchvae
