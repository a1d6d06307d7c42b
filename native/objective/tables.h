// The makers that the table of objectives lists.
#pragma once

#include "objective/objective.h"

namespace torchvae {

using MakeObjective = std::unique_ptr<Objective>(Weights& weights, const ModelSpec& spec, const Vae& vae);

MakeObjective makeElbo, makeImportanceWeighted, makeDoublyReparameterized, makeBetaTc, makeFactor, makeDip,
    makeInfo, makeWasserstein, makeAdversarial, makeRegularized;

}  // namespace torchvae
