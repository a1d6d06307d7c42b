// The random numbers of one pass through a model, in the order in which its parts ask for them. Each request
// has its own stream, so the numbers are a function of (seed, stream, step) and of the request's place.
#pragma once

#include <utility>
#include <vector>

#include "base/context.h"
#include "base/tensor.h"
#include "kernels/kernels.h"
#include "random/philox.h"

namespace torchvae {

// What request number `request`, counted from 0, of a pass is answered with whose first one has `first`.
Draw drawOfRequest(const Draw& first, uint32_t request);

class Draws {
 public:
  // With fused kernels the numbers are drawn on the device; where a `state` there is given, by its step in
  // place of the draw's.
  Draws(const Context& context, const Draw& first, const StepState* state = nullptr)
      : context_(context), draw_(first), state_(state) {}

  // Where the numbers are drawn, and the pass computes.
  const Context& context() const { return context_; }

  // Has each row of noise drawn by a key, whatever its place: a request for [keys.size() n, ...] numbers
  // gives n rows to each key.
  void drawByRow(std::vector<uint64_t> keys) { keys_ = std::move(keys); }

  // The pass is over rows [first, first + rows) of a batch: a request for [rows n, ...] numbers gets those
  // that the whole batch's request holds for these rows.
  void takeRows(int64_t first, int64_t rows) {
    first_ = first;
    rows_ = rows;
  }
  // Calls `body`, whose requests are for no rows of the batch.
  template <class Body>
  auto ofNoRows(const Body& body) {
    const int64_t first = std::exchange(first_, 0);
    const auto made = body();
    first_ = first;
    return made;
  }

  // The first request for noise is answered with `values`. Throws ERR_SHAPE, from there, where it is for
  // another number of them.
  void give(Tensor values) { given_ = std::move(values); }

  Tensor normal(at::IntArrayRef sizes);   // N(0, 1)
  Tensor uniform(at::IntArrayRef sizes);  // U(0, 1), never 0 nor 1
  // U(0, 1) that decides what a network leaves out: no noise of z, and never the given values.
  Tensor mask(at::IntArrayRef sizes);
  // Where the numbers lie that mask() would give, for who draws them while using them.
  struct Place {
    Draw draw;
    int64_t first;  // of the draw's numbers
  };
  Place placeOfMask(at::IntArrayRef sizes);
  // The standard Gumbel distribution: logits with this noise have their largest where a draw from their
  // softmax falls.
  Tensor gumbel(at::IntArrayRef sizes);

 private:
  Tensor noise(at::IntArrayRef sizes, bool isUniform);
  // Of the draw's numbers, the first that a request for so many gets.
  int64_t firstOf(at::IntArrayRef sizes) const;
  Tensor drawn(const Draw& draw, at::IntArrayRef sizes, bool isUniform) const;
  Tensor drawnByRow(const Draw& draw, at::IntArrayRef sizes, bool isUniform) const;

  const Context& context_;
  Draw draw_;
  const StepState* state_;
  uint32_t requests_ = 0;
  Tensor given_;
  std::vector<uint64_t> keys_;
  int64_t first_ = 0;
  int64_t rows_ = 0;
};

}  // namespace torchvae
