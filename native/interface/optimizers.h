// Every optimizer, one entry each, in the order of OptimizerKind on the host and on CUDA devices.
//   TORCHVAE_OPTIMIZER(kind, name)
// No include guard: each reader defines the macro, includes this file, and undefines it.
TORCHVAE_OPTIMIZER(kSgd, "sgd")
TORCHVAE_OPTIMIZER(kAdam, "adam")
TORCHVAE_OPTIMIZER(kAdamW, "adamw")
TORCHVAE_OPTIMIZER(kAdamax, "adamax")
TORCHVAE_OPTIMIZER(kRmsProp, "rmsprop")
TORCHVAE_OPTIMIZER(kAdaGrad, "adagrad")
