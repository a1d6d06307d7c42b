// What the VampPrior's pseudo-inputs are, for all that declare or find them.
#pragma once

#include "spec.h"

namespace torchvae {

inline constexpr const char* kPseudoInputs = "prior.inputs";  // [components, inputSize]

// Whether the data are in [0, 1], and pseudo-inputs are the sigmoids of their weights: a likelihood of real
// values says so by its link.
inline bool areUnitInputs(const PartSpec& likelihood) {
  const auto link = likelihood.words.find("link");
  return link == likelihood.words.end() || link->second == "sigmoid";
}

}  // namespace torchvae
