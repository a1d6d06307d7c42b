// A batch through a multilayer perceptron and back, in a few launches:
//
//   forward         each hidden layer of the encoder
//   latent          head, sample, divergence, the decoder's first hidden layer
//   forward         each further hidden layer of the decoder
//   output          the decoder's last layer, the losses, its delta
//   back            deltas of the decoder's hidden layers
//   latentBack      deltas of the head and of the encoder's last hidden layer, sums of the losses
//   back            deltas of the encoder's other hidden layers
//
// Where both sides have hidden layers and batches are small, less has to be read and waited for:
//
//   latentRows      in place of latent: forward has left the head's products in parts
//   outputBack      in place of output and the first back, which share a tile of weights
//   latentRowsBack  in place of latentBack
//
// loadBatch (all.cu) comes before, weights (weights.cu) after. NVRTC compiles this file for a device, with
// constants for what differs between models beside their sizes.
#include "dense.cuh"
#include "latent.cuh"
#include "latent_rows.cuh"
#include "output.cuh"
#include "output_back.cuh"
#include "tile_program.cuh"

#ifdef TORCHVAE_PRECISION
namespace torchvae::kernels {

struct Program : TileProgram {
  static constexpr int kOutputTile = TORCHVAE_OUTPUT_TILE;
  static constexpr int32_t kEncoderActivation = TORCHVAE_ENCODER_ACTIVATION;
  static constexpr int32_t kDecoderActivation = TORCHVAE_DECODER_ACTIVATION;
  static constexpr LikelihoodKind kLikelihood = LikelihoodKind(TORCHVAE_LIKELIHOOD);
  static constexpr int kStages = TORCHVAE_STAGES;
  static constexpr int kBlockRows = TORCHVAE_BLOCK_ROWS, kMostBlockRows = kBlockRows;
  static constexpr int kRowTiles = TORCHVAE_ROW_TILES, kMostRowTiles = kRowTiles;
  static constexpr int kOutTiles = TORCHVAE_OUT_TILES, kMostOutTiles = kOutTiles;
};

}  // namespace torchvae::kernels

#if TORCHVAE_BLOCK_ROWS > 0
#define TORCHVAE_BY_ROWS
#else
#define TORCHVAE_BY_STRIPS
#endif
#if TORCHVAE_OUT_TILES > 0
#define TORCHVAE_OUTPUT_AND_BACK
#else
#define TORCHVAE_OUTPUT_ALONE
#endif
#define TORCHVAE_KERNEL(name, Arguments, threads)                                                       \
  extern "C" __global__ void __launch_bounds__(threads, 1) name(const torchvae::kernels::Arguments a) { \
    torchvae::kernels::name<torchvae::kernels::Program>(a);                                             \
  }
using namespace torchvae::kernels;
#include "perceptron_list.h"
#endif
