// Bagged decision trees for classes (Breiman 1996; 2001, with all features at every decision), cut where the
// Gini impurity falls most. They measure how much a code says about a factor.
#pragma once

#include "cpu/pool.h"
#include "engine.h"

namespace torchvae {

// The trees are spread over `pool`, or grow one after the other where it is null; to the same bits.
ForestFit growForest(const HostArray& features, const HostArray& judged, const ForestSettings& settings,
                     Pool* pool);

}  // namespace torchvae
