// The random numbers of one pass through a model, in the order in which its parts ask for them. Each request
// is a stream of its own, so the numbers are a function of (seed, stream, step) and of the request's place.
#pragma once

#include "context.h"
#include "random/philox.h"
#include "tensor.h"

namespace torchvae {

class Draws {
 public:
  Draws(const Context& context, const Draw& first) : context_(context), draw_(first) {}

  // The first request is answered with `values`.
  void give(Tensor values) { given_ = std::move(values); }

  Tensor normal(at::IntArrayRef sizes);   // N(0, 1)
  Tensor uniform(at::IntArrayRef sizes);  // U(0, 1), never 0 nor 1

 private:
  Draw next();
  Tensor upload(const Tensor& host) const;

  const Context& context_;
  Draw draw_;
  uint32_t requests_ = 0;
  Tensor given_;
};

}  // namespace torchvae
