// Vectors that are replaced by the nearest entries of a codebook (van den Oord et al. 2017), against the
// uniform prior over entries, on the CPU's kernels (posterior/vector_quantized.cpp has the same with
// libtorch's derivatives):
//   z = entries,  KL = positions log(codes),  loss += commitment |vectors - entries|^2.
// Gradients in z pass straight through; the codebook follows the vectors by moving averages.
#pragma once

#include "cpu/codebook.h"
#include "fused/posterior.h"

namespace torchvae::fused {

class QuantizedPosterior : public Posterior {
 public:
  static bool serves(const Context& context, const ModelSpec& /*spec*/) {
    return context.tiledProducts() && !context.bf16;
  }
  static DenseSlots declare(Parameters& parameters, const ModelSpec& spec, const Features& encoded);

  QuantizedPosterior(const Context& context, const Store& store, const ModelSpec& spec, int64_t capacity);

  void sample(const Context& context, const at::Tensor& head, const at::Tensor& noise, int64_t rows,
              Activations& z, at::Tensor& kl) override;
  double penalty() const override { return penalty_; }
  void backward(const Context& context, const at::Tensor& head, const at::Tensor& noise,
                const CodeGradients& given, int64_t rows, Activations& headGradient) override;
  void follow(const at::Tensor& head, int64_t rows) override;
  // The entries, whose logarithmic variance is minus infinity.
  std::pair<at::Tensor, at::Tensor> moments(const Context& context, const at::Tensor& head,
                                            int64_t rows) override;

 private:
  cpu::Codebook bookOf(const at::Tensor& head, int64_t rows) const;
  // Writes nearest_, codes_, differences_ and distances_.
  void quantize(const Context& context, const at::Tensor& head, int64_t rows);

  int64_t size_, positions_, entries_;  // values of a vector, vectors of a code, entries of the codebook
  double commitment_, decay_;
  at::Tensor codebook_, counts_, sums_;  // in the model's buffers
  at::Tensor nearest_;                   // [capacity positions]
  at::Tensor codes_, differences_;       // [capacity, positions size]
  at::Tensor distances_;                 // [capacity]
  at::Tensor newCounts_, newSums_;       // of a batch, as counts_ and sums_
  double penalty_ = 0;
};

}  // namespace torchvae::fused
