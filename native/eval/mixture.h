// A mixture of normals fitted to points: what codes of a trained model can be drawn from, where the prior
// does not match them (Ghosh et al. 2020, section 4).
#pragma once

#include "engine.h"

namespace torchvae {

MixtureFit fitMixture(const HostArray& points, int64_t components, int64_t iterations, uint64_t seed);

}  // namespace torchvae
