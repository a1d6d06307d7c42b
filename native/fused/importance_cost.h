// The importance-weighted bound over k draws of each example, with its gradients, on the CPU's kernels
// (objective/importance.cpp has the same with libtorch's derivatives). The posterior is a diagonal Gaussian,
// the prior N(0, I).
#pragma once

#include <memory>
#include <vector>

#include "fused/activations.h"
#include "fused/likelihood.h"
#include "spec.h"

namespace torchvae::fused {

class ImportanceCost {
 public:
  // For batches of up to `capacity` examples.
  ImportanceCost(const Context& context, const ModelSpec& spec, int64_t capacity);

  int64_t draws() const { return draws_; }  // k

  // The draws of an example lie one after the other, in all of these rows: z [rows k, latentSize], from head
  // [rows, 2 latentSize] and noise.
  void sample(const at::Tensor& head, const at::Tensor& noise, int64_t rows, Activations& z);
  // reconstruction [rows k] = -log p(x|z) from x [rows, ...] and the decoder's output y, and then the bound.
  // Unless `gradient` is null it becomes the gradient of mean(cost) in y.
  void reconstruct(Likelihood& likelihood, const at::Tensor& x, const Activations& y, int64_t rows,
                   at::Tensor& reconstruction, Activations* gradient);
  // The gradient of mean(cost) in `head`, from the one in z that the decoder left, [rows k, latentSize].
  void backward(const at::Tensor& head, const at::Tensor& noise, const at::Tensor& z,
                const at::Tensor& zGradient, int64_t rows, Activations& headGradient);

  // Sums over the examples of the batch: -log (1/k) sum p(x, z) / q(z|x), and the means over the draws of
  // -log p(x|z) and of log q(z|x) - log p(z).
  double cost() const { return cost_; }
  double reconstruction() const { return reconstruction_; }
  double rate() const { return rate_; }

 private:
  Context context_;
  int64_t draws_, latentSize_;
  at::Tensor repeated_;                              // [capacity k, columns of x]
  at::Tensor divergence_;                            // [capacity, latentSize]: made beside the draws
  at::Tensor logQ_, logPrior_, shares_, ofDensity_;  // [capacity k]
  at::Tensor dz_;                                    // [capacity k, latentSize]
  double cost_ = 0, reconstruction_ = 0, rate_ = 0;
};

// Whether there are kernels for the objective, in a model of such parts.
bool hasImportanceCost(const Context& context, const ModelSpec& spec);
// Null for objectives without importance weights.
std::unique_ptr<ImportanceCost> makeImportanceCost(const Context& context, const ModelSpec& spec,
                                                   int64_t capacity);

}  // namespace torchvae::fused
