// Gaussian and Laplace likelihoods whose scale is trained, on the CPU's kernels: learned, one for all values
// or one for each, or predicted by the decoder for each value of each example.
#pragma once

#include "cpu/scaled_likelihood.h"
#include "fused/likelihood.h"

namespace torchvae::fused {

// With the weights s = log sigma, [1] or [inputSize].
class LearnedScale : public Likelihood {
 public:
  static constexpr int64_t kParametersPerValue = 1;
  static bool holds(const PartSpec& spec);
  static bool serves(const Context& context) { return context.kernels == nullptr; }
  static void declare(Parameters& parameters, const ModelSpec& spec);

  LearnedScale(const Context& context, const Parameters& parameters, const ModelSpec& spec, int64_t capacity);

  void negativeLogProb(const Context& context, const at::Tensor& x, const Activations& y, int64_t rows,
                       at::Tensor& loss, Activations* gradient) override;
  void weightGradients(const Context& context, Parameters& parameters) override;
  FlatRange parameterRange() const override { return {offset_, scales_}; }

 private:
  template <class C>
  void overBatch(const Context& context, const at::Tensor& x, const at::Tensor& y, int64_t rows,
                 at::Tensor& loss, Activations* gradient);
  template <class C>
  void writeGradients(C* to) const;

  const Parameters& parameters_;
  cpu::ScaleTerms terms_;
  int64_t columns_;
  int64_t scales_;        // 1 or `columns_`
  int64_t offset_;        // of s in the flat buffers
  at::Tensor precision_;  // [columns], exp(-power s)
  // What each tile of rows adds to the batch's mean of precision times term, column by column.
  at::Tensor parts_;   // [tiles, columns or more]
  int64_t tiles_ = 0;  // of the batch
};

class PredictedScale : public Likelihood {
 public:
  static constexpr int64_t kParametersPerValue = 2;
  static bool holds(const PartSpec& spec);
  static bool serves(const Context& context) { return context.kernels == nullptr; }
  static void declare(Parameters& /*parameters*/, const ModelSpec& /*spec*/) {}

  PredictedScale(const Context& context, const Parameters& parameters, const ModelSpec& spec,
                 int64_t capacity);

  void negativeLogProb(const Context& context, const at::Tensor& x, const Activations& y, int64_t rows,
                       at::Tensor& loss, Activations* gradient) override;

 private:
  template <class C>
  void overBatch(const Context& context, const at::Tensor& x, const at::Tensor& y, int64_t rows,
                 at::Tensor& loss, Activations* gradient) const;

  cpu::ScaleTerms terms_;
  int64_t columns_;
};

}  // namespace torchvae::fused
