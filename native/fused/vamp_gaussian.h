// The diagonal Gaussian posterior against the VampPrior (Tomczak and Welling 2018), a mixture of the
// posteriors of learned pseudo-inputs, on the CPU's kernels. The pseudo-inputs go through the encoder behind
// a batch's examples, in the same products:
//   z = mu + exp(logVariance / 2) noise,  KL = log q(z|x) - log p(z) at that z.
#pragma once

#include "cpu/mixture.h"
#include "fused/posterior.h"

namespace torchvae::fused {

class VampGaussian : public Posterior {
 public:
  static bool serves(const Context& context, const ModelSpec& spec) {
    return context.tiledProducts() && !context.bf16 && spec.encoder.type == "mlp";
  }
  static DenseSlots declare(Parameters& parameters, const ModelSpec& spec, const Features& encoded);

  VampGaussian(const Context& context, const Store& store, const ModelSpec& spec, int64_t capacity);

  void sample(const Context& context, const at::Tensor& head, const at::Tensor& noise, int64_t rows,
              Activations& z, at::Tensor& kl) override;
  void backward(const Context& context, const at::Tensor& head, const at::Tensor& noise,
                const CodeGradients& given, int64_t rows, Activations& headGradient) override;

  int64_t furtherRows() const override { return components_; }
  void appendRows(const Context& context, int64_t rows, Activations& x) override;
  at::Tensor furtherGradients() const override { return ofInputs_; }

  void weightGradients(const Context& context, Parameters& parameters) override;
  FlatRange parameterRange() const override { return {offset_, components_ * inputSize_}; }

 private:
  cpu::NormalMixture mixtureOf(const at::Tensor& head, int64_t rows) const;

  const Parameters& parameters_;
  int64_t latent_, inputSize_, components_;
  int64_t offset_;                        // of the pseudo-inputs' weights in the flat buffers
  bool isUnit_;                           // whether they go through a sigmoid
  at::Tensor inputs_, ofInputs_;          // in x, [components, inputSize], and the gradients
  at::Tensor codes_, ofCodes_, ofPrior_;  // z [capacity, D], and the gradients in it: in all, and of log p(z)
  at::Tensor divergence_;                 // from N(0, I), [capacity, D], which nobody asks for
  at::Tensor logQ_, logPrior_, ofLogQ_, ofLogPrior_;  // [capacity]
  at::Tensor shares_;                                 // [capacity, components]
};

}  // namespace torchvae::fused
