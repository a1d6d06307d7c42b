// The constants that NVRTC compiles every program of a product's tile for.
#pragma once

#include "arguments.h"

#ifdef TORCHVAE_PRECISION
namespace torchvae::kernels {

struct TileProgram {
  static constexpr Precision kPrecision = Precision(TORCHVAE_PRECISION);
  static constexpr int kTile = TORCHVAE_TILE;
  static constexpr int kVector = TORCHVAE_VECTOR;
};

}  // namespace torchvae::kernels
#endif
