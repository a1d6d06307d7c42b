// The gradients of dense layers' weights as products that are still to be taken, x^T dy: a backward pass
// leaves them behind, so that an update can use each up where it is made, without a way through memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "base/context.h"
#include "cpu/weights.h"

namespace torchvae {

// A part of the flat buffers.
struct FlatRange {
  int64_t first = 0;
  int64_t count = 0;
};

class DeferredGradients {
 public:
  // Says that others than its layer add to the gradient at this offset too: it is never left for later.
  void share(int64_t offset) { shared_.insert(offset); }
  bool isShared(int64_t offset) const { return shared_.contains(offset); }

  // Begins a backward pass: forgets what was left, and zeroes the other gradients, which are added to.
  void begin(const at::Tensor& gradients);
  // Of a layer whose weights and bias begin at `place.weight` and `place.bias`, from its input x [rows, in]
  // and the gradient dy [rows, out] before its activation. The rows of a layer that is used again follow
  // those of its first use. `isData`: much of x may be zero.
  void add(const cpu::WeightProduct& place, const at::Tensor& x, const at::Tensor& dy, bool isData);
  // Writes those that were left, and zeroes those of layers that the pass did not use.
  void make(const Context& context, const at::Tensor& gradients);

  // Whether an update can use them up: every layer that ever left one has done so, and none can be infinite
  // or NaN, nor its square.
  bool areUsable(const Context& context) const;
  // One for each layer that the pass has used; pointers are good until the next pass.
  const std::vector<cpu::WeightProduct>& products(const Context& context);
  // All other gradients.
  std::vector<FlatRange> others(int64_t size) const;

 private:
  struct Item {
    cpu::WeightProduct place;
    std::vector<at::Tensor> x, dy;  // of each use of the layer
    at::Tensor xT;
    bool isData;
  };
  std::set<int64_t> shared_;
  std::map<int64_t, int64_t> layers_;  // the end of each layer that ever left a gradient, by its beginning
  std::map<int64_t, Item> items_;      // by the same
  std::vector<cpu::WeightProduct> products_;
  std::map<int64_t, cpu::Nonzeros> nonzeros_;  // of the layers' data, by the same; kept for their memory
};

}  // namespace torchvae
