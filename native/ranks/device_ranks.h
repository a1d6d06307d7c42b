// Ranks that exchange what lies on their GPUs by NCCL where they can, and all else by way of the host.
#pragma once

#include <memory>

#include "ranks/ranks.h"

namespace torchvae {

// See Engine::join.
std::shared_ptr<TensorRanks> joinRanks(const RanksSettings& settings, const std::atomic<bool>& abort);

}  // namespace torchvae
