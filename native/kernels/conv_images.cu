// The images that convolutions and transposed ones make, and the gradients in them, which NVRTC compiles for
// a device with constants for the precision of products, the tile, the values that copies take, the direction
// and the activation.
#include "conv_images.cuh"
#include "tile_program.cuh"

#ifdef TORCHVAE_PRECISION
namespace torchvae::kernels {

struct ImageProgram : TileProgram {
  static constexpr int kWeightVector = TORCHVAE_WEIGHT_VECTOR;
  static constexpr int kGroup = TORCHVAE_GROUP;
  static constexpr int32_t kActivation = TORCHVAE_ACTIVATION_KIND;
};

}  // namespace torchvae::kernels

extern "C" __global__ void __launch_bounds__(torchvae::kernels::kTiles[TORCHVAE_TILE].threads(), 2)
    convImages(const torchvae::kernels::ConvImagesArguments a) {
  torchvae::kernels::convImages<torchvae::kernels::ImageProgram, TORCHVAE_UP != 0>(a);
}
#endif
