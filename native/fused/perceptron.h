// The training step of a multilayer perceptron on a device's tensor cores: a few launches in all, with the
// update in the last (kernels/perceptron.cu). It does what BatchPass does by libtorch's products.
#pragma once

#include <vector>

#include "fused/batch_pass.h"
#include "fused/fixed_likelihood.h"
#include "kernels/device_clock.h"
#include "kernels/perceptron.h"

namespace torchvae::fused {

class Perceptron {
 public:
  // Buffers for batches of up to `capacity` examples.
  Perceptron(const Context& context, const Parameters& parameters, const VaePlan& plan, const ModelSpec& spec,
             int64_t capacity);

  // Forward and back over the batch of `rows` examples that the clock points to, whose sums go there.
  // `inputMagnitude` is the largest of the data's values.
  void differentiate(const BatchSource& source, int64_t rows, float inputMagnitude, const DeviceClock& clock);

  // Of that batch:

  // The weights' gradients, into the parameters.
  void makeGradients(const Parameters& parameters);
  // What has to be there before update(): the gradients, where their norm is to be cut or they are summands.
  void judge(const Parameters& parameters, bool isSummand);
  // The update, unless the device finds something that is not finite, and the end of the step.
  void update(const Parameters& parameters);

 private:
  // A dense layer with what it hands on. The head has no separate output here, nor has the last layer.
  struct Unit {
    DenseSlots slots;
    kernels::Side side;
    at::Tensor output, slope, delta;  // [capacity, stride]
  };

  Unit makeUnit(const LayerPlan& plan, kernels::Side side) const;
  // A buffer of `capacity` rows that begin at multiples of 16 bytes.
  at::Tensor rowsOf(int64_t columns) const;
  int64_t headSlices() const;  // parts of the head's product that forward() leaves
  bool hasHiddenDecoder() const { return head_ + 2 < units_.size(); }
  const at::Tensor& inputOf(size_t layer) const;
  kernels::ForwardArguments forwardArguments(size_t layer) const;
  kernels::BackArguments backArguments(size_t layer) const;
  kernels::LatentBackArguments latentBackArguments() const;
  kernels::OutputArguments outputArguments() const;
  UpdateBuffers buffersOf(const Parameters& parameters) const;
  kernels::WeightsArguments weightsArguments(const Parameters& parameters, kernels::WeightsMode mode) const;
  void load(const BatchSource& source);
  void forward(size_t from, size_t to);
  void sample();
  void sampleByRows();
  void output();
  void back(size_t from, size_t to);
  void sampleBack();
  void sampleBackByRows(const BatchSource& source);

  Context context_;
  const float* values_;  // the parameters'
  int64_t capacity_, latent_;
  PerceptronKernels kernels_;
  FixedLikelihood likelihood_;
  KlCost klCost_;
  std::vector<Unit> units_;  // of the encoder, the head, of the decoder
  size_t head_;              // the head's place among them
  // A batch as it is loaded. While one is in use the next is loaded, where the step can do that.
  struct Loaded {
    at::Tensor x, noise, z;
  };
  Loaded loaded_[2];
  int now_ = 0;  // the one in use
  at::Tensor headOutput_, kl_;
  at::Tensor losses_;                // [tiles across, capacity]
  at::Tensor heads_, parts_;         // what goes by whole rows: LatentRowsArguments, OutputBackArguments
  at::Tensor activations_, deltas_;  // int32: magnitudes
  at::Tensor squares_;               // double [weightBlocks_]
  int64_t weightBlocks_ = 0;
  // Of the present batch.
  bool isLoaded_ = false;  // by the step before
  int64_t rows_ = 0;
  float inputMagnitude_ = 1;
  DeviceClock clock_{};
  int64_t activationCount_ = 0, deltaCount_ = 0;
};

}  // namespace torchvae::fused
