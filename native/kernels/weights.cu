// The gradients of a perceptron's weights with their update, which NVRTC compiles for a device and an
// optimizer.
#include "tile_program.cuh"
#include "weights.cuh"

#ifdef TORCHVAE_PRECISION
namespace torchvae::kernels {

struct Program : TileProgram {
  static constexpr int32_t kOptimizer = TORCHVAE_OPTIMIZER_KIND;
};

}  // namespace torchvae::kernels

extern "C" __global__ void __launch_bounds__(torchvae::kernels::kWeightThreads, 2)
    weights(const torchvae::kernels::WeightsArguments a) {
  torchvae::kernels::weights<torchvae::kernels::Program>(a);
}
#endif
