// Which models the fused kernels cover: the one place that says no.
#pragma once

#include <string>

#include "base/context.h"
#include "spec.h"

namespace torchvae::fused {

// Why a model of this `spec` has no fused kernels where the context computes; empty where it has.
std::string obstacle(const Context& context, const ModelSpec& spec);

}  // namespace torchvae::fused
