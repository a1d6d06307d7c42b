// The kernel of block.cu as a call, and which models it has room for.
#pragma once

#include <cstdint>
#include <map>

#include "cuda_part.h"
#include "kernels/block_arguments.h"
#include "spec.h"

namespace torchvae {

// What the kernel is compiled for, beside the optimizer.
struct BlockKind {
  ActivationKind encoder = ActivationKind::kIdentity, decoder = ActivationKind::kIdentity;
  LikelihoodKind likelihood = LikelihoodKind::kBernoulli;
  bool operator==(const BlockKind&) const = default;
};

// Floats of shared memory for a block on devices of a capability such as 90, beside what kernels declare.
int64_t sharedFloatsOf(int capability);

// Fills in the places of a shape whose layers have their sizes, for batches of shape.batchSize: as many
// copies of the parameters in shared memory as fit. Returns false where the values and a batch do not.
bool placeInShared(kernels::BlockShape& shape, int64_t sharedFloats);

class BlockKernel {
 public:
  BlockKernel(CudaPart& part, const BlockKind& kind) : part_(part), kind_(kind) {}

  const BlockKind& kind() const { return kind_; }
  // Trains `count` models at a time by the optimizer of this kind.
  void train(const kernels::BlockArguments& arguments, int64_t count, OptimizerKind optimizer);

 private:
  CudaPart& part_;
  BlockKind kind_;
  std::map<OptimizerKind, void*> handles_;
};

}  // namespace torchvae
