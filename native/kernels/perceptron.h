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
  int stages = kernels::kStages;  // of the rings of layers' products
  int vector = 1;                 // 4 where every row of weights is aligned to 16 bytes
  // Of the kernels that take whole rows, where the model goes by those: the rows of a block, or 0; the tile
  // of outputBack(), or nothing in `outTiles`.
  int blockRows = 0, rowTiles = 1, outTiles = 0;
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
  // Tiles of output(), or of outputBack() in its stead, side by side.
  int64_t outputTiles(int64_t columns) const;
  // Of latentRows(); latentRowsBack() takes one block more.
  int64_t rowBlocks(int64_t rows) const;
  bool goesByRows() const { return kind_.blockRows > 0; }
  bool hasOutputBack() const { return kind_.outTiles > 0; }

  void forward(const kernels::ForwardArguments& arguments);
  void latent(const kernels::LatentArguments& arguments);
  void latentRows(kernels::LatentRowsArguments arguments);  // without `staged`
  void output(const kernels::OutputArguments& arguments);
  void outputBack(const kernels::OutputBackArguments& arguments);
  void back(const kernels::BackArguments& arguments);
  void latentBack(const kernels::LatentBackArguments& arguments);
  void latentRowsBack(kernels::LatentRowsBackArguments arguments);  // without `staged`
  void weights(const kernels::WeightsArguments& arguments, int64_t blocks);

 private:
  enum Name {
    kForward,
    kLatent,
    kLatentRows,
    kOutput,
    kOutputBack,
    kBack,
    kLatentBack,
    kLatentRowsBack,
    kWeights
  };
  // `bytes` of shared memory for each block.
  template <class Arguments>
  void launch(Name name, int64_t blocks, int threads, int64_t bytes, const Arguments& arguments,
              int64_t optimizer = 0);
  KernelKey keyOf(Name name, int64_t optimizer) const;
  // Bytes of shared memory up to which a block copies weights there early.
  int64_t mostStaged() const;

  CudaPart& part_;
  PerceptronKind kind_;
  std::map<std::pair<Name, int64_t>, void*> handles_;  // by name and optimizer
};

// The stages of layers' products on a device that gives a block so many bytes of shared memory.
int stagesFor(int64_t bytes);

// Whether the kernels that take whole rows, and `kind` is for, have room on a device that gives a block
// `bytes` of shared memory: of a model whose encoder ends with a layer of `last` units and whose decoder's
// first layer takes `in` values, for codes of `latent` dimensions.
bool haveRowsRoom(const PerceptronKind& kind, int64_t last, int64_t latent, int64_t in, int64_t first,
                  int64_t bytes);

}  // namespace torchvae
