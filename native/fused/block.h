// A multilayer perceptron so small that one block of a device holds it: whole chunks of its training in one
// launch, beside other models of its shape (kernels/block.cu).
#pragma once

#include <ATen/core/Tensor.h>

#include "cpu/likelihood.h"
#include "fused/batch_pass.h"
#include "kernels/block.h"

namespace torchvae::fused {

// The layers of such a model in batches of `batchSize` examples, by their sizes alone.
kernels::BlockShape blockShapeOf(const ModelSpec& spec, int64_t batchSize);
// Multiplications and additions of a batch's way forward.
int64_t productsOf(const kernels::BlockShape& shape);

class BlockPerceptron {
 public:
  // For a model that blockObstacle() (coverage.h) has nothing against.
  BlockPerceptron(const Context& context, const Parameters& parameters, const VaePlan& plan,
                  const ModelSpec& spec, int64_t batchSize);

  const kernels::BlockShape& shape() const { return shape_; }
  BlockKernel& kernel() { return kernel_; }

  // Of the labels that the model is conditioned on; 0 for none.
  int64_t classes() const { return classes_; }

  // Whether both may be trained in one launch.
  bool isLike(const BlockPerceptron& other) const;

  // What a launch takes of this model, but for its place in training: the state, the schedule, the steps.
  kernels::BlockMember member(const BatchSource& source, const OptimizerSettings& settings) const;

 private:
  const Parameters& parameters_;
  kernels::BlockShape shape_;
  BlockKernel kernel_;
  cpu::LikelihoodTerms terms_;
  KlPrice price_;
  int64_t classes_;
  at::Tensor rest_;  // the copies of the parameters that shared memory has no room for
};

}  // namespace torchvae::fused
