// The kernels of perceptron.cu with their arguments, as list.h has those of all.cu, and the tile that says
// how many threads a block has.
TORCHVAE_KERNEL(forward, ForwardArguments, Program::kTile)
TORCHVAE_KERNEL(latent, LatentArguments, kDeepStrip)
TORCHVAE_KERNEL(output, OutputArguments, Program::kOutputTile)
TORCHVAE_KERNEL(back, BackArguments, Program::kTile)
TORCHVAE_KERNEL(latentBack, LatentBackArguments, kDeepStrip)
