// The gradients of convolutions' weights, which NVRTC compiles for a device with constants for the precision
// of products, the tile and the values that a copy takes.
#include "conv_weights.cuh"
#include "tile_program.cuh"

#ifdef TORCHVAE_PRECISION
extern "C" __global__ void __launch_bounds__(torchvae::kernels::kTiles[TORCHVAE_TILE].threads(), 2)
    convWeights(const torchvae::kernels::ConvWeightsArguments a) {
  torchvae::kernels::convWeights<torchvae::kernels::TileProgram>(a);
}
#endif
