// q(z|x): what the encoder's output says of z, and its divergence from the prior p(z).
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/context.h"
#include "fused/activations.h"
#include "fused/net/network.h"
#include "kernels/kernels.h"
#include "spec.h"
#include "store/weights.h"

namespace torchvae::fused {

// What backward() goes on from.
struct CodeGradients {
  const at::Tensor& z;  // of the mean reconstruction loss; may have more columns than z
  KlWeight beta;
  const at::Tensor& factors;  // [latentSize]: of each dimension's KL; undefined for 1
  // Those of further terms in z, the means and the log-variances, [rows, 3 latentSize], the last two zero but
  // for a diagonal Gaussian; undefined for none, as it is without the CPU's kernels.
  const at::Tensor& others;
};

class Posterior {
 public:
  virtual ~Posterior() = default;

  // z = rsample(head, noise) and kl[i] = KL(q(z|x_i) || p(z)) in nats, or its estimate at z_i. Of normals the
  // first columns of head [rows, columns] hold latentSize means, then as many log-variances. noise is [rows,
  // noiseSize(spec)], the first columns of z are [rows, codeSize(spec)].
  virtual void sample(const Context& context, const at::Tensor& head, const at::Tensor& noise, int64_t rows,
                      Activations& z, at::Tensor& kl) = 0;

  // The gradient in `head` of mean(reconstruction + beta factors kl) and of further terms.
  virtual void backward(const Context& context, const at::Tensor& head, const at::Tensor& noise,
                        const CodeGradients& given, int64_t rows, Activations& headGradient) = 0;

  // What sample() adds to the loss beside the divergence: the sum over the batch.
  virtual double penalty() const { return 0; }
  // After backward() of a training step: what follows the batches without gradients does so.
  virtual void follow(const at::Tensor& /*head*/, int64_t /*rows*/) {}

  // The mean of q(z|x) and its log-variance, each [rows, codeSize(spec)].
  virtual std::pair<at::Tensor, at::Tensor> moments(const Context& context, const at::Tensor& head,
                                                    int64_t rows);

  // Inputs of the encoder that a prior has beside a batch of `rows` examples: how many, and writes them
  // behind the examples in x. The head then has as many more rows, and its gradient must.
  virtual int64_t furtherRows() const { return 0; }
  virtual void appendRows(const Context& /*context*/, int64_t /*rows*/, Activations& /*x*/) {}
  // Where the gradients in these are written, [furtherRows, inputSize].
  virtual at::Tensor furtherGradients() const { return {}; }

  // Of weights beside the head's: writes their gradients, after backward(), and says where they lie.
  virtual void weightGradients(const Context& /*context*/, Parameters& /*parameters*/) {}
  virtual FlatRange parameterRange() const { return {}; }
};

// Values in a code z, and in the noise that it is drawn from.
int64_t codeSize(const ModelSpec& spec);
int64_t noiseSize(const ModelSpec& spec);

// The layer of the head's parts.
DenseSlots declareHead(Parameters& parameters, const std::vector<DensePart>& parts, const Features& encoded);

// Whether the table holds the posterior and the prior of this spec, for where the context computes.
bool hasKernels(const Context& context, const ModelSpec& spec);

// Of those that it holds: the layer that makes the head, from the encoder's features, and what else the
// posterior is made of.
DenseSlots declarePosterior(Parameters& parameters, const ModelSpec& spec, const Features& encoded);
// For batches of up to `capacity` examples.
std::unique_ptr<Posterior> makePosterior(const Context& context, const Store& store, const ModelSpec& spec,
                                         int64_t capacity);

}  // namespace torchvae::fused
