#include "likelihood/likelihood.h"

#include "base/table.h"
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
    {"logistic-mixture", makeDiscretizedLogisticMixture},
    {"tokens", makeTokens},
};

}  // namespace

std::unique_ptr<Likelihood> makeLikelihood(Weights& weights, const ModelSpec& spec) {
  return rowOf(kTable, "likelihood", spec.likelihood.type).make(weights, spec);
}

}  // namespace torchvae
