// Elementwise likelihoods without weights, on the CPU and on devices with kernels.
#pragma once

#include "cpu/likelihood.h"
#include "fused/likelihood.h"

namespace torchvae::fused {

// The kernels of one likelihood: a row of the table.
struct FixedLikelihoodRow;

class FixedLikelihood : public Likelihood {
 public:
  static constexpr int64_t kParametersPerValue = 1;
  static bool holds(const PartSpec& spec);
  static bool serves(const Context& /*context*/) { return true; }
  static void declare(Parameters& /*parameters*/, const ModelSpec& /*spec*/) {}

  FixedLikelihood(const Context& /*context*/, const Parameters& /*parameters*/, const ModelSpec& spec,
                  int64_t /*capacity*/)
      : FixedLikelihood(spec) {}
  // Throws ERR_SPEC for a likelihood that the table does not hold.
  explicit FixedLikelihood(const ModelSpec& spec);

  void negativeLogProb(const Context& context, const at::Tensor& x, const Activations& y, int64_t rows,
                       at::Tensor& loss, Activations* gradient) override;

  LikelihoodKind kind() const;
  const cpu::LikelihoodTerms& terms() const { return terms_; }

 private:
  template <class C>
  void onHost(const Context& context, const at::Tensor& x, const at::Tensor& y, int64_t rows,
              at::Tensor& loss, Activations* gradient) const;

  const FixedLikelihoodRow* row_;
  cpu::LikelihoodTerms terms_;
};

}  // namespace torchvae::fused
