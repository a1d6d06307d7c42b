// A whole small perceptron's training by one block, which NVRTC compiles for a device, with constants for
// what differs between models beside their sizes and numbers.
#include "block.cuh"

#ifdef TORCHVAE_LIKELIHOOD
namespace torchvae::kernels {

struct Program {
  static constexpr int32_t kEncoderActivation = TORCHVAE_ENCODER_ACTIVATION;
  static constexpr int32_t kDecoderActivation = TORCHVAE_DECODER_ACTIVATION;
  static constexpr LikelihoodKind kLikelihood = LikelihoodKind(TORCHVAE_LIKELIHOOD);
  static constexpr int32_t kOptimizer = TORCHVAE_OPTIMIZER_KIND;
};

}  // namespace torchvae::kernels

extern "C" __global__ void __launch_bounds__(torchvae::kernels::kBlockThreads, 1)
    trainBlock(const torchvae::kernels::BlockArguments a) {
  torchvae::kernels::trainBlock<torchvae::kernels::Program>(a);
}
#endif
