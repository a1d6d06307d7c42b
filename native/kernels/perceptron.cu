// A batch through a multilayer perceptron and back, in a few launches:
//
//   forward      each hidden layer of the encoder
//   latent       head, sample, divergence, the decoder's first hidden layer
//   forward      each further hidden layer of the decoder
//   output       the decoder's last layer, the losses, its delta
//   back         deltas of the decoder's hidden layers
//   latentBack   deltas of the head and of the encoder's last hidden layer, sums of the losses
//   back         deltas of the encoder's other hidden layers
//
// loadBatch (all.cu) comes before, weights (weights.cu) after. NVRTC compiles this file for a device, with
// constants for what differs between models beside their sizes.
#include "dense.cuh"
#include "latent.cuh"
#include "output.cuh"
#include "tile_program.cuh"

#ifdef TORCHVAE_PRECISION
namespace torchvae::kernels {

struct Program : TileProgram {
  static constexpr int kOutputTile = TORCHVAE_OUTPUT_TILE;
  static constexpr int32_t kEncoderActivation = TORCHVAE_ENCODER_ACTIVATION;
  static constexpr int32_t kDecoderActivation = TORCHVAE_DECODER_ACTIVATION;
  static constexpr LikelihoodKind kLikelihood = LikelihoodKind(TORCHVAE_LIKELIHOOD);
};

}  // namespace torchvae::kernels

#define TORCHVAE_KERNEL(name, Arguments, tile)                                                               \
  extern "C" __global__ void __launch_bounds__(torchvae::kernels::kTiles[torchvae::kernels::tile].threads(), \
                                               1) name(const torchvae::kernels::Arguments a) {               \
    torchvae::kernels::name<torchvae::kernels::Program>(a);                                                  \
  }
#include "perceptron_list.h"
#endif
