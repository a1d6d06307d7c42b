// Fidelity and diversity of generated points, by nearest neighbors.
#pragma once

#include "engine.h"

namespace torchvae {

ManifoldScores manifoldScores(const HostArray& real, const HostArray& generated, int64_t components,
                              int64_t neighbors);

}  // namespace torchvae
