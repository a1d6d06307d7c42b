// Ranks that meet by c10d's store and talk by its Gloo, both of the libtorch that was found.
#pragma once

#include <memory>

#include "ranks/ranks.h"

namespace torchvae {

// See Engine::join.
std::shared_ptr<TensorRanks> joinByGloo(const RanksSettings& settings, const std::atomic<bool>& abort);

}  // namespace torchvae
