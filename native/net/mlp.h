// A multilayer perceptron: dense layers one after another.
#pragma once

#include <string>
#include <vector>

#include "ops/dense.h"

namespace torchvae {

// Declares layers NAME.0, NAME.1, ... of the given widths.
std::vector<DenseSlots> declareMlp(Parameters& parameters, const std::string& name, int64_t in,
                                   const std::vector<int64_t>& widths);

class Mlp {
 public:
  // The last layer has activation `last`, the others `hidden`; `use` is of the last layer.
  Mlp(const Context& context, const Parameters& parameters, const std::vector<DenseSlots>& layers,
      ActivationKind hidden, ActivationKind last, int64_t capacity, const DenseUse& use);

  // x [rows, in]; an Mlp without layers hands x on.
  const Activations& forward(const Activations& x, int64_t rows);
  // From outputGradient(), writes the gradients of all layers' outputs and, unless null, that of x, which no
  // activation made.
  void backward(Activations* inputGradient, int64_t rows);

  std::vector<Dense>& layers() { return layers_; }
  bool empty() const { return layers_.empty(); }
  Activations& outputGradient() { return layers_.back().outputGradient; }
  ActivationKind lastActivation() const {
    return layers_.empty() ? ActivationKind::kIdentity : layers_.back().activation();
  }

 private:
  std::vector<Dense> layers_;
};

}  // namespace torchvae
