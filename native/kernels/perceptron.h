// The kernels of perceptron.cu, compiled for a kind of model, as calls.
#pragma once

#include <map>

#include "cuda_part.h"
#include "kernels/perceptron_arguments.h"
#include "kernels/tiles.h"
#include "spec.h"

namespace torchvae {

// What a perceptron's kernels are compiled for: all that changes their code.
struct PerceptronKind {
  kernels::Precision precision = kernels::kFloat32;
  ActivationKind encoder = ActivationKind::kIdentity, decoder = ActivationKind::kIdentity;
  LikelihoodKind likelihood = LikelihoodKind::kBernoulli;
  // Of kernels::kTiles, for hidden layers, for the last one, and for all weights' gradients.
  int batchTile = 0, outputTile = 0, weightTile = kernels::kFirstWeightTile;
  int vector = 1;  // 4 where every row of weights is aligned to 16 bytes
};

class PerceptronKernels {
 public:
  PerceptronKernels(CudaPart& part, const PerceptronKind& kind) : part_(part), kind_(kind) {}

  // Blocks that a kernel takes; of weights(), those of one layer.
  int64_t forwardBlocks(int64_t rows, int64_t columns) const;  // also of back()
  int64_t outputBlocks(int64_t rows, int64_t columns) const;
  // Of latent(): strips of rows times the slices that share out the layer of `width`; latentBack() takes one
  // block more.
  int64_t slices(int64_t rows, int64_t width) const;
  int64_t latentBlocks(int64_t rows, int64_t slices) const;
  int64_t weightBlocks(int64_t in, int64_t out) const;
  // Tiles of output() side by side.
  int64_t outputTiles(int64_t columns) const;

  void forward(const kernels::ForwardArguments& arguments);
  void latent(const kernels::LatentArguments& arguments);
  void output(const kernels::OutputArguments& arguments);
  void back(const kernels::BackArguments& arguments);
  void latentBack(const kernels::LatentBackArguments& arguments);
  void weights(const kernels::WeightsArguments& arguments, int64_t blocks);

 private:
  enum Name { kForward, kLatent, kOutput, kBack, kLatentBack, kWeights, kNames };
  template <class Arguments>
  void launch(Name name, int64_t blocks, const Arguments& arguments, int64_t optimizer = 0);
  const kernels::TileShape& tileOf(Name name) const;
  int64_t sharedBytes(Name name) const;
  KernelKey keyOf(Name name, int64_t optimizer) const;

  CudaPart& part_;
  PerceptronKind kind_;
  std::map<std::pair<Name, int64_t>, void*> handles_;  // by name and optimizer
};

}  // namespace torchvae
