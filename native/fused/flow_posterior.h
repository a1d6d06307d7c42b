// A diagonal Gaussian draw that an inverse autoregressive flow carries on (Kingma et al. 2016), against a
// standard normal prior, on the CPU's kernels:
//   z0 = mu + exp(logVariance / 2) noise,  (z, log q) = flow(z0, log q0, elu(context)),
//   KL = log q(z|x) - log p(z) at that z.
// A row of the head holds means, log-variances, and the context before its activation.
#pragma once

#include <array>
#include <vector>

#include "cpu/flow.h"
#include "fused/posterior.h"

namespace torchvae::fused {

class FlowPosterior : public Posterior {
 public:
  static bool serves(const Context& context, const ModelSpec& /*spec*/) {
    return context.tiledProducts() && !context.bf16;
  }
  static DenseSlots declare(Parameters& parameters, const ModelSpec& spec, const Features& encoded);

  FlowPosterior(const Context& context, const Store& store, const ModelSpec& spec, int64_t capacity);

  void sample(const Context& context, const at::Tensor& head, const at::Tensor& noise, int64_t rows,
              Activations& z, at::Tensor& kl) override;
  void backward(const Context& context, const at::Tensor& head, const at::Tensor& noise,
                const CodeGradients& given, int64_t rows, Activations& headGradient) override;
  // The flow has no moments in closed form: the base's mean is carried through it, and the base's variance is
  // given as it is.
  std::pair<at::Tensor, at::Tensor> moments(const Context& context, const at::Tensor& head,
                                            int64_t rows) override;
  void weightGradients(const Context& context, Parameters& parameters) override;
  FlatRange parameterRange() const override { return range_; }

 private:
  // A step's weights by their places in the flat buffers, in the order of cpu::FlowWeights.
  using Places = std::array<int64_t, 6>;

  // Writes the context's activations, and the flow over `rows` rows to flow_.
  void begin(const Context& context, const at::Tensor& head, int64_t rows);

  const Parameters& parameters_;
  int64_t latent_, context_;  // values of z and of the context
  cpu::FlowShape shape_;
  std::vector<Places> places_;
  FlatRange range_;
  at::Tensor firstMask_, secondMask_;
  at::Tensor memory_;           // of the steps
  at::Tensor base_, given_;     // z0 [capacity, D], the context [capacity, C]
  at::Tensor flowed_;           // z [capacity, D]
  at::Tensor divergence_;       // of the base, [capacity, D], which nobody asks for
  at::Tensor baseLogQ_, logQ_;  // [capacity]
  // The gradients in what came out of the flow, and in what went in.
  at::Tensor ofFlowed_, ofLogQ_, ofBase_, ofGiven_;
  cpu::Flow flow_;  // of the present batch
};

}  // namespace torchvae::fused
