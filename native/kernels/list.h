// The kernels with their arguments and the threads of a block: what all.cu makes of them, and the engine
// calls.
TORCHVAE_KERNEL(loadBatch, LoadArguments, 256)
TORCHVAE_KERNEL(fillRandom, RandomArguments, 256)
TORCHVAE_KERNEL(activate, ActivateArguments, 256)
TORCHVAE_KERNEL(scaleBySlope, SlopeArguments, 256)
TORCHVAE_KERNEL(sample, SampleArguments, 256)
TORCHVAE_KERNEL(klCost, KlCostArguments, 1024)
TORCHVAE_KERNEL(sampleBackward, SampleBackwardArguments, 256)
TORCHVAE_KERNEL(likelihood, LikelihoodArguments, 256)
TORCHVAE_KERNEL(finishGradients, GradientArguments, 1024)
TORCHVAE_KERNEL(optimize, OptimizeArguments, 256)
TORCHVAE_KERNEL(averageWeights, AverageArguments, 256)
TORCHVAE_KERNEL(putBack, PutBackArguments, 256)
