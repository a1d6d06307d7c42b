// A variational autoencoder over a batch, with its derivatives written out: x -> encoder -> q(z|x) -> z ->
// decoder -> p(x|z), and back.
#pragma once

#include <memory>
#include <utility>

#include "fused/aggregate_cost.h"
#include "fused/importance_cost.h"
#include "fused/kl_cost.h"
#include "fused/layers/dense.h"
#include "fused/likelihood.h"
#include "fused/net/network.h"
#include "fused/posterior.h"
#include "spec.h"
#include "store/parameters.h"

namespace torchvae::fused {

// The layers of a VAE, with the places of their weights in its Parameters.
struct VaePlan {
  NetworkPlan encoder;
  DenseSlots head;  // the posterior's parameters, from the encoder's last layer
  NetworkPlan decoder;
};

VaePlan declareVae(Parameters& parameters, const ModelSpec& spec);

// Which buffers a pass has: those of the backward pass as well, and those of as many draws of each example as
// the objective makes, or of one.
enum class PassUse : uint8_t { kTraining, kEvaluation, kOneDraw };

class BatchPass {
 public:
  // Buffers for up to `capacity` examples.
  BatchPass(const Context& context, const Store& store, const VaePlan& plan, const ModelSpec& spec,
            int64_t capacity, PassUse use);

  // The parts of a step, over the first `rows` examples in `x`, to be called in this order.
  void encode(int64_t rows);                          // head = encoder(x)
  void sample(int64_t rows);                          // z = rsample(q, noise), kl = KL(q || p)
  void decode(int64_t rows);                          // decoder(z)
  void reconstruct(int64_t rows, bool withGradient);  // reconstruction = -log p(x|z)
  // What training minimizes of the codes, of a batch of a data set of `examples`: klCost(), or
  // aggregateCost() with its share of the divergence.
  void price(int64_t rows, int64_t examples, const KlWeight& weight, bool withGradient);
  // The gradients of mean(reconstruction) and of what price() was asked for, in every layer's output; after
  // reconstruct(rows, true) and price().
  void backward(int64_t rows, const KlWeight& beta);
  // In a training step, after backward(): what follows the batches without gradients does so.
  void follow(int64_t rows) { posterior_->follow(head(), rows); }
  // From these, the weights' gradients, into the Parameters.
  void weightGradients(Parameters& parameters, int64_t rows);
  // weightGradients() and an elementwise optimizer in one, on the CPU. Returns false, with the weights as
  // they were, where the gradients are not sure to be finite.
  bool updateWeights(Parameters& parameters, int64_t rows, const cpu::OptimizerCoefficients& coefficients);

  // On a device with fused kernels, and without waiting for it: the weights' gradients, judged on the device.
  // With a state, the step's sums and corrections go there.
  void finishGradients(Parameters& parameters, int64_t rows, const OptimizerSettings& settings,
                       StepState* state, const ScheduleRow* schedule);
  // From these the update, unless the device finds something that is not finite, and the end of the step.
  void optimize(Parameters& parameters, int64_t rows, const OptimizerSettings& settings, StepState* state,
                const ScheduleRow* schedule);

  // The mean and the log-variance of q(z|x) over the first `rows` examples in `x`, each [rows, codeSize].
  std::pair<at::Tensor, at::Tensor> moments(int64_t rows);

  int64_t capacity() const { return capacity_; }
  // Of each example, one after the other in `noise`, `z` and `reconstruction`.
  int64_t draws() const { return importanceCost_ ? importanceCost_->draws() : 1; }
  const KlCost& klCost() const { return klCost_; }
  // The sum over the batch of what the posterior adds to the loss beside the divergence.
  double penalty() const { return posterior_->penalty(); }
  // Null for objectives that have none.
  const AggregateCost* aggregateCost() const { return aggregateCost_.get(); }

  // Null for objectives without importance weights; else all of the losses, in place of `kl`.
  const ImportanceCost* importanceCost() const { return importanceCost_.get(); }

  // Of x's images, whose values lie pixel by pixel, as convolutions take them; 1 where x is taken as it
  // comes.
  const Channels channels;
  const LabelColumns labels;
  Activations x;                  // [capacity or more, inputSize as stored + labels.encoder]
  at::Tensor noise;               // [capacity draws, noiseSize]
  at::Tensor priorDraws;          // [capacity, latentSize]; undefined where aggregateCost() takes none
  Activations z;                  // [capacity draws, codeSize + labels.decoder]
  at::Tensor reconstruction, kl;  // [capacity draws] and [capacity], nats

 private:
  BatchPass(const Context& context, const Parameters& parameters, const VaePlan& plan, const ModelSpec& spec,
            int64_t capacity, PassUse use, std::unique_ptr<Posterior> posterior,
            std::unique_ptr<ImportanceCost> importanceCost);

  // Rows that the prior has in the encoder behind those of a batch.
  int64_t further() const { return posterior_->furtherRows(); }

  // What is not zero in `rows` rows of x, where products by these alone are shorter.
  void findNonzeros(int64_t rows);
  // The gradient in the head, from that in z.
  void headBackward(int64_t rows, const KlWeight& beta);
  // Calls f(layer, rows) with the rows of each layer.
  template <class F>
  void forLayers(int64_t rows, const F& f);
  const std::vector<cpu::WeightProduct>& weightProducts();
  std::vector<GradientPart> gradientParts(int64_t rows);
  const at::Tensor& head() const { return head_.output.value; }

  Context context_;
  int64_t capacity_;
  std::unique_ptr<ImportanceCost> importanceCost_;
  std::unique_ptr<Posterior> posterior_;
  std::unique_ptr<Likelihood> likelihood_;
  Network encoder_;
  Dense head_;
  Network decoder_;
  KlCost klCost_;
  std::unique_ptr<AggregateCost> aggregateCost_;
  bool skipsZeros_;  // of x, in the first layer's products
  bool isTraining_;
  cpu::Nonzeros nonzeros_;
  Activations zGradient_;
  at::Tensor partials_;  // sums of squares of blocks of gradients, with fused kernels
  const Activations* encoded_ = nullptr;
  const Activations* decoded_ = nullptr;
  // Of the present step; kept for their memory.
  std::vector<cpu::WeightProduct> products_;
  std::vector<FlatRange> others_;  // the parameters whose parts compute their own gradients
};

}  // namespace torchvae::fused
