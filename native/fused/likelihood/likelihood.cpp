#include "fused/likelihood/likelihood.h"

#include "error.h"
#include "fused/likelihood/bernoulli.h"
#include "fused/likelihood/gaussian.h"

namespace torchvae {
namespace {

struct Row {
  const char* name;
  std::unique_ptr<Likelihood> (*make)(const LikelihoodSpec&);
};

constexpr Row kTable[] = {
    {"bernoulli",
     [](const LikelihoodSpec&) -> std::unique_ptr<Likelihood> { return std::make_unique<Bernoulli>(); }},
    {"gaussian",
     [](const LikelihoodSpec& spec) -> std::unique_ptr<Likelihood> {
       return std::make_unique<Gaussian>(spec.sigma);
     }},
};

}  // namespace

std::unique_ptr<Likelihood> makeLikelihood(const LikelihoodSpec& spec) {
  for (const Row& row : kTable) {
    if (spec.type == row.name) return row.make(spec);
  }
  throw Error("ERR_SPEC", "The engine has no likelihood named " + spec.type);
}

}  // namespace torchvae
