#include "fused/likelihood.h"

#include "error.h"
#include "fused/fixed_likelihood.h"
#include "fused/scaled_likelihood.h"

namespace torchvae::fused {
namespace {

struct LikelihoodRow {
  bool (*holds)(const PartSpec&);
  bool (*serves)(const Context&);
  int64_t parametersPerValue;
  void (*declare)(Parameters&, const ModelSpec&);
  std::unique_ptr<Likelihood> (*make)(const Context&, const Parameters&, const ModelSpec&, int64_t capacity);
};

template <class Kind>
constexpr LikelihoodRow likelihoodRow() {
  return {Kind::holds, Kind::serves, Kind::kParametersPerValue, Kind::declare,
          [](const Context& context, const Parameters& parameters, const ModelSpec& spec,
             int64_t capacity) -> std::unique_ptr<Likelihood> {
            return std::make_unique<Kind>(context, parameters, spec, capacity);
          }};
}

constexpr LikelihoodRow kLikelihoods[] = {likelihoodRow<FixedLikelihood>(), likelihoodRow<LearnedScale>(),
                                          likelihoodRow<PredictedScale>()};

const LikelihoodRow* findLikelihood(const PartSpec& spec) {
  for (const LikelihoodRow& row : kLikelihoods) {
    if (row.holds(spec)) return &row;
  }
  return nullptr;
}

const LikelihoodRow& knownLikelihood(const PartSpec& spec) {
  if (const LikelihoodRow* row = findLikelihood(spec)) return *row;
  throw Error("ERR_SPEC", "The engine has no likelihood named " + spec.type + " with these settings");
}

}  // namespace

bool hasKernel(const Context& context, const PartSpec& spec) {
  const LikelihoodRow* row = findLikelihood(spec);
  return row != nullptr && row->serves(context);
}

int64_t parametersPerValue(const PartSpec& spec) {
  return knownLikelihood(spec).parametersPerValue;
}

void declareLikelihood(Parameters& parameters, const ModelSpec& spec) {
  knownLikelihood(spec.likelihood).declare(parameters, spec);
}

std::unique_ptr<Likelihood> makeLikelihood(const Context& context, const Parameters& parameters,
                                           const ModelSpec& spec, int64_t capacity) {
  return knownLikelihood(spec.likelihood).make(context, parameters, spec, capacity);
}

}  // namespace torchvae::fused
