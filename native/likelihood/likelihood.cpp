#include "likelihood/likelihood.h"

#include "base/table.h"
#include "likelihood/tables.h"

namespace torchvae {
namespace {

struct Row {
  const char* name;
  MakeLikelihood* make;
};

#define TORCHVAE_ROW(name, make) {name, make},
constexpr Row kTable[] = {TORCHVAE_LIKELIHOODS(TORCHVAE_ROW)};
#undef TORCHVAE_ROW

}  // namespace

std::unique_ptr<Likelihood> makeLikelihood(Weights& weights, const ModelSpec& spec) {
  return rowOf(kTable, "likelihood", spec.likelihood.type).make(weights, spec);
}

}  // namespace torchvae
