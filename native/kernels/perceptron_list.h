// The kernels of perceptron.cu with their arguments, as list.h has those of all.cu.
TORCHVAE_KERNEL(forward, ForwardArguments)
TORCHVAE_KERNEL(latent, LatentArguments)
TORCHVAE_KERNEL(output, OutputArguments)
TORCHVAE_KERNEL(back, BackArguments)
TORCHVAE_KERNEL(latentBack, LatentBackArguments)
