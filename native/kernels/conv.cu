// The gradients of convolutions' weights, which NVRTC compiles for a device with constants for the precision
// of products, the tile and the values that a copy takes.
#include "conv_weights.cuh"

#ifdef TORCHVAE_PRECISION
namespace torchvae::kernels {

struct Program {
  static constexpr Precision kPrecision = Precision(TORCHVAE_PRECISION);
  static constexpr int kTile = TORCHVAE_TILE;
  static constexpr int kVector = TORCHVAE_VECTOR;
};

}  // namespace torchvae::kernels

extern "C" __global__ void __launch_bounds__(torchvae::kernels::kTiles[TORCHVAE_TILE].threads(), 2)
    convWeights(const torchvae::kernels::ConvWeightsArguments a) {
  torchvae::kernels::convWeights<torchvae::kernels::Program>(a);
}
#endif
