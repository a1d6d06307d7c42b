#include "prior/prior.h"

#include <ATen/ops/argmax.h>

#include "base/table.h"
#include "prior/tables.h"

namespace torchvae {
namespace {

struct Row {
  const char* name;
  MakePrior* make;
};

#define TORCHVAE_ROW(name, make) {name, make},
constexpr Row kTable[] = {TORCHVAE_PRIORS(TORCHVAE_ROW)};
#undef TORCHVAE_ROW

}  // namespace

std::unique_ptr<Prior> makePrior(Weights& weights, const ModelSpec& spec, const Posterior& posterior,
                                 const PosteriorOf& posteriorOf) {
  const std::string& posteriorType = spec.posterior.type;
  auto prior = rowOf(kTable, "prior", spec.prior.type).make(weights, spec, posterior, posteriorOf);
  const bool wantsCategories = posterior.ownDivergence() == Posterior::Own::kCategorical;
  if (wantsCategories != prior->isCategorical()) {
    throw Error("ERR_SPEC",
                wantsCategories
                    ? "The posterior " + posteriorType + " has categories: use prior 'categorical'"
                    : "The prior 'categorical' is for posteriors of categories (gumbel-softmax, "
                      "vector-quantized), and " +
                          posteriorType + " has none: use prior 'standard-normal'");
  }
  if (posterior.ownDivergence() == Posterior::Own::kStandardNormal && spec.prior.type != "standard-normal") {
    throw Error("ERR_SPEC", "The posterior " + posteriorType +
                                " has no density to compare with a prior's: use prior 'standard-normal'");
  }
  return prior;
}

Tensor drawComponents(const Tensor& logits, int64_t rows, Pass& pass) {
  return at::argmax(logits.unsqueeze(0) + pass.draws.gumbel({rows, logits.size(0)}), 1);
}

}  // namespace torchvae
