// p(x|z) over a batch: an elementwise likelihood with its derivative in the decoder's output.
#pragma once

#include "cpu/likelihood.h"
#include "fused/activations.h"
#include "kernels/kernels.h"
#include "spec.h"

namespace torchvae::fused {

// The kernels of one likelihood: a row of the table.
struct LikelihoodRow;

class Likelihood {
 public:
  // Throws ERR_SPEC for a likelihood that the table does not hold. `columns` are the values of one example.
  Likelihood(const PartSpec& spec, int64_t columns);

  // loss[i] = -log p(x_i | z_i) in nats, from the decoder's output y [rows, columns], with the bias that it
  // may miss, and x, whose rows may be longer. Unless `gradient` is null it becomes d (sum of loss / rows) /
  // dy.
  void negativeLogProb(const Context& context, const at::Tensor& x, const Activations& y, int64_t rows,
                       at::Tensor& loss, Activations* gradient) const;

  LikelihoodKind kind() const;
  const cpu::LikelihoodTerms& terms() const { return terms_; }

 private:
  const LikelihoodRow* row_;
  cpu::LikelihoodTerms terms_;
};

// Whether the table holds this likelihood, with these settings.
bool hasKernel(const PartSpec& spec);

}  // namespace torchvae::fused
