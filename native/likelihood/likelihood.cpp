#include "likelihood/likelihood.h"

#include "error.h"
#include "likelihood/tables.h"

namespace torchvae {
namespace {

struct Row {
  const char* name;
  MakeLikelihood* make;
};

constexpr Row kTable[] = {
    {"bernoulli", makeBernoulli},
    {"continuous-bernoulli", makeContinuousBernoulli},
    {"gaussian", makeGaussian},
    {"squared-error", makeSquaredError},
    {"laplace", makeLaplace},
    {"categorical", makeCategorical},
    {"logistic-mixture", makeDiscretisedLogisticMixture},
};

}  // namespace

std::unique_ptr<Likelihood> makeLikelihood(Weights& weights, const ModelSpec& spec) {
  for (const Row& row : kTable) {
    if (spec.likelihood.type == row.name) return row.make(weights, spec);
  }
  throw Error("ERR_SPEC", "The engine has no likelihood named " + spec.likelihood.type);
}

}  // namespace torchvae
