// The kernels of perceptron.cu with their arguments, as list.h has those of all.cu; the tile that says how
// many threads a block has; and the blocks for which a multiprocessor must have registers. With room for two
// a kernel can begin while the one before it ends.
TORCHVAE_KERNEL(forward, ForwardArguments, Program::kTile, 2)
TORCHVAE_KERNEL(latent, LatentArguments, kDeepStrip, 1)
TORCHVAE_KERNEL(output, OutputArguments, Program::kOutputTile, 2)
TORCHVAE_KERNEL(back, BackArguments, Program::kTile, 2)
TORCHVAE_KERNEL(latentBack, LatentBackArguments, kDeepStrip, 1)
