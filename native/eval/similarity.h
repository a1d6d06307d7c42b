// How alike pairs of images are.
#pragma once

#include <vector>

#include "engine.h"

namespace torchvae {

std::vector<float> structuralSimilarity(const HostArray& a, const HostArray& b,
                                        const std::vector<int64_t>& shape);

}  // namespace torchvae
