#include "objective/objective.h"

#include "error.h"
#include "objective/tables.h"

namespace torchvae {
namespace {

struct Row {
  const char* name;
  MakeObjective* make;
};

constexpr Row kTable[] = {
    {"elbo", makeElbo},       {"iwae", makeImportanceWeighted}, {"dreg", makeDoublyReparameterised},
    {"beta-tc", makeBetaTc},  {"factor", makeFactor},           {"dip", makeDip},
    {"info", makeInfo},       {"wae-mmd", makeWasserstein},     {"vae-gan", makeAdversarial},
    {"rae", makeRegularised},
};

}  // namespace

std::unique_ptr<Objective> makeObjective(Weights& weights, const ModelSpec& spec, const Composition& vae) {
  for (const Row& row : kTable) {
    if (spec.objective.type == row.name) return row.make(weights, spec, vae);
  }
  throw Error("ERR_SPEC", "The engine has no objective named " + spec.objective.type);
}

Draft draft(const Composition& vae, const Tensor& x, Pass& pass) {
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
