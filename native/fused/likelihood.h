// p(x|z): what the decoder's output says of x.
#pragma once

#include <memory>

#include "context.h"
#include "ops/activation.h"
#include "spec.h"

namespace torchvae::fused {

class Likelihood {
 public:
  virtual ~Likelihood() = default;

  // loss[i] = -log p(x_i | z_i) in nats, from x and the decoder's output y, each [rows, inputSize]. Unless
  // `gradient` is null it becomes d (sum of loss / rows) / dy.
  virtual void negativeLogProb(const Context& context, const at::Tensor& x, const at::Tensor& y, int64_t rows,
                               at::Tensor& loss, Activations* gradient) const = 0;
};

// Throws ERR_SPEC for a name that the table does not hold.
std::unique_ptr<Likelihood> makeLikelihood(const PartSpec& spec);

}  // namespace torchvae::fused
