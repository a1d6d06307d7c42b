#include "posterior/posterior.h"

#include <cmath>
#include <numbers>

#include "base/table.h"
#include "posterior/tables.h"

namespace torchvae {
namespace {

struct Row {
  const char* name;
  MakePosterior* make;
};

#define TORCHVAE_ROW(name, make) {name, make},
constexpr Row kTable[] = {TORCHVAE_POSTERIORS(TORCHVAE_ROW)};
#undef TORCHVAE_ROW

}  // namespace

std::unique_ptr<Posterior> makePosterior(Weights& weights, const ModelSpec& spec, int64_t features) {
  return rowOf(kTable, "posterior", spec.posterior.type).make(weights, spec, features);
}

Tensor gaussianLogProb(const Tensor& z, const Tensor& mean, const Tensor& logVariance) {
  const double constant = std::log(2 * std::numbers::pi);
  return ((z - mean).square() * (-logVariance).exp() + logVariance + constant) * -0.5;
}

Tensor gaussianKl(const Gaussian& a, const Gaussian& b) {
  const Tensor difference = a.mean - b.mean;
  return ((a.logVariance - b.logVariance).exp() + difference.square() * (-b.logVariance).exp() - 1.0 +
          b.logVariance - a.logVariance) *
         0.5;
}

}  // namespace torchvae
