// A model's named tensors, as its parts ask for them. The parts are built twice: once to declare what they
// need, and, when that has its place in the flat buffers, once more to be used.
#pragma once

#include <string>
#include <vector>

#include "base/tensor.h"
#include "store/parameters.h"

namespace torchvae {

// A tensor in PyTorch's layout.
class Weight {
 public:
  Weight() = default;
  // `leaf`: the place of `slot`.
  Weight(Tensor leaf, Slot slot, std::vector<int64_t> shape)
      : leaf_(std::move(leaf)), slot_(std::move(slot)), shape_(std::move(shape)) {}

  Tensor operator*() const { return leaf_.sizes() == shape_ ? leaf_ : values().reshape(shape_); }
  // The same, perhaps with more dimensions: the kernels' layouts have them where images become features.
  Tensor values() const { return slot_.of(leaf_); }
  bool defined() const { return leaf_.defined(); }
  const Tensor& leaf() const { return leaf_; }

 private:
  Tensor leaf_;
  Slot slot_;
  std::vector<int64_t> shape_;
};

// Where a model's tensors lie.
struct Store {
  Parameters model;
  Parameters adversary;  // of an objective's opponent, which is trained against the model
  Parameters buffers;    // not trained: running statistics, codebooks
};

class Weights {
 public:
  enum class Phase : uint8_t { kDeclare, kUse };
  // `context` is where the model computes; null for one that is only planned.
  Weights(Store& store, Phase phase, const Context* context = nullptr)
      : store_(store), phase_(phase), context_(context) {}

  Weight parameter(const std::string& name, const std::vector<int64_t>& shape, const Init& init);
  // The weights NAME.weight [out, in] and NAME.bias [out] of each of the `names`, drawn as torch.nn.Linear
  // draws them, side by side as one dense layer, where they lie as the CPU's kernels multiply by them if the
  // context has such kernels.
  struct DenseLayer {
    std::vector<Weight> weights, biases;
    Parameters* parameters = nullptr;
    const DenseSlots* slots = nullptr;  // null where the layer lies as PyTorch has it
  };
  DenseLayer dense(const std::vector<std::string>& names, int64_t in, int64_t out);
  Weight buffer(const std::string& name, const std::vector<int64_t>& shape, const Init& init);
  // The same, for tensors of the adversary.
  Weights adversary() const;

  // The model's parameters whose names begin with `prefix`.
  std::vector<Weight> parametersOf(const std::string& prefix) const;

  bool declaring() const { return phase_ == Phase::kDeclare; }
  const Context* context() const { return context_; }

 private:
  Weight find(Parameters& parameters, const std::string& name, const std::vector<int64_t>& shape,
              const Init& init, bool trained) const;

  Store& store_;
  Phase phase_;
  const Context* context_;
  bool isAdversary_ = false;
};

}  // namespace torchvae
