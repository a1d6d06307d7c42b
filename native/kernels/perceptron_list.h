// The kernels of perceptron.cu with their arguments, as list.h has those of all.cu, and the threads of a
// block: those of every model, then those that depend on how its step goes between the networks and back from
// its output.
TORCHVAE_KERNEL(forward, ForwardArguments, threadsOf(Program::kTile))
TORCHVAE_KERNEL(back, BackArguments, threadsOf(Program::kTile))
#ifdef TORCHVAE_BY_STRIPS
TORCHVAE_KERNEL(latent, LatentArguments, kStripThreads)
TORCHVAE_KERNEL(latentBack, LatentBackArguments, kStripThreads)
#endif
#ifdef TORCHVAE_BY_ROWS
TORCHVAE_KERNEL(latentRows, LatentRowsArguments, kRowThreads)
TORCHVAE_KERNEL(latentRowsBack, LatentRowsBackArguments, kRowThreads)
#endif
#ifdef TORCHVAE_OUTPUT_ALONE
TORCHVAE_KERNEL(output, OutputArguments, threadsOf(Program::kOutputTile))
#endif
#ifdef TORCHVAE_OUTPUT_AND_BACK
TORCHVAE_KERNEL(outputBack, OutputBackArguments, kOutputBackThreads)
#endif
