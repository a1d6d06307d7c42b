// p(x|z): what the decoder's output says of x.
#pragma once

#include <memory>

#include "pass/pass.h"
#include "spec.h"
#include "store/weights.h"

namespace torchvae {

class Likelihood {
 public:
  virtual ~Likelihood() = default;
  // Values that the decoder must give for each value of x: its output is [B, parametersPerValue() *
  // inputSize], all values' first parameters before their second ones.
  virtual int64_t parametersPerValue() const { return 1; }
  // -log p(x|z) in nats for each example, [B], from x [B, inputSize] and the decoder's output y.
  virtual Tensor negativeLogProb(const Tensor& x, const Tensor& y) const = 0;
  // E[x|z], [B, inputSize].
  virtual Tensor mean(const Tensor& y) const = 0;
  // The likeliest x, [B, inputSize].
  virtual Tensor mode(const Tensor& y) const = 0;
  // x ~ p(x|z), [B, inputSize].
  virtual Tensor sample(const Tensor& y, Pass& pass) const = 0;
};

// Throws ERR_SPEC for a type that the table does not hold.
std::unique_ptr<Likelihood> makeLikelihood(Weights& weights, const ModelSpec& spec);

}  // namespace torchvae
