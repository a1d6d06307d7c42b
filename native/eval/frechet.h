// The Frechet distance between two sets of points, each seen as a normal distribution.
#pragma once

#include "engine.h"

namespace torchvae {

double frechetDistance(const HostArray& a, const HostArray& b, int64_t components);

}  // namespace torchvae
