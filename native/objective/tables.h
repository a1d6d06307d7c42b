// Every objective.
#pragma once

#include "objective/objective.h"

namespace torchvae {

using MakeObjective = std::unique_ptr<Objective>(Weights& weights, const ModelSpec& spec, const Vae& vae);

// Public names and makers: adding one is a line here.
#define TORCHVAE_OBJECTIVES(ROW)         \
  ROW("elbo", makeElbo)                  \
  ROW("iwae", makeImportanceWeighted)    \
  ROW("dreg", makeDoublyReparameterized) \
  ROW("beta-tc", makeBetaTc)             \
  ROW("factor", makeFactor)              \
  ROW("dip", makeDip)                    \
  ROW("info", makeInfo)                  \
  ROW("wae-mmd", makeWasserstein)        \
  ROW("vae-gan", makeAdversarial)        \
  ROW("rae", makeRegularized)

#define TORCHVAE_DECLARE(name, make) MakeObjective make;
TORCHVAE_OBJECTIVES(TORCHVAE_DECLARE)
#undef TORCHVAE_DECLARE

}  // namespace torchvae
