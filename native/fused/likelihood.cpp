#include "fused/likelihood/likelihood.h"

#include <cmath>
#include <numbers>

#include "fused/likelihood/bernoulli.h"
#include "fused/likelihood/gaussian.h"
#include "table.h"

namespace torchvae::fused {
namespace {

struct Row {
  const char* name;
  std::unique_ptr<Likelihood> (*make)(const PartSpec&);
};

constexpr Row kTable[] = {
    {"bernoulli",
     [](const PartSpec&) -> std::unique_ptr<Likelihood> { return std::make_unique<Bernoulli>(); }},
    {"gaussian",
     [](const PartSpec& spec) -> std::unique_ptr<Likelihood> {
       const double sigma = spec.number("sigma");
       const double normalizer = std::log(sigma * std::sqrt(2 * std::numbers::pi));
       return std::make_unique<Gaussian>(sigma, normalizer, spec.word("link") == "sigmoid");
     }},
    {"squared-error",
     [](const PartSpec& spec) -> std::unique_ptr<Likelihood> {
       return std::make_unique<Gaussian>(std::numbers::sqrt2 / 2, 0, spec.word("link") == "sigmoid");
     }},
};

}  // namespace

std::unique_ptr<Likelihood> makeLikelihood(const PartSpec& spec) {
  return rowOf(kTable, "likelihood", spec.type).make(spec);
}

}  // namespace torchvae::fused
