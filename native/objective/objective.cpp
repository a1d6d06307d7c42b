#include "objective/objective.h"

#include "base/table.h"
#include "objective/tables.h"
#include "ops/means.h"

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
  draft.kl = exampleSums(pass.draws.context(), draft.divergence);
  draft.y = vae.decode(draft.latent.z, pass);
  draft.reconstruction = vae.likelihood().negativeLogProb(x, draft.y);
  return draft;
}

Tensor meanReconstruction(const Draft& draft, const Pass& pass) {
  std::vector<Averaged> terms{{draft.reconstruction, {}}};
  if (draft.latent.penalty.defined()) terms.push_back({draft.latent.penalty, {}});
  return sumOfMeans(pass.draws.context(), terms);
}

Tensor meanDivergence(const Draft& draft, const Pass& pass) {
  return sumOfMeans(pass.draws.context(), {{draft.divergence, {}}});
}

}  // namespace torchvae
