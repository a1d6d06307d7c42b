// A layer with weights, as the networks string them together.
#pragma once

#include <vector>

#include "cpu/weights.h"
#include "fused/activations.h"
#include "kernels/kernels.h"
#include "store/deferred_gradients.h"

namespace torchvae::fused {

// Which of a layer's buffers somebody reads.
struct LayerUse {
  bool training = false;         // the backward pass
  bool feedsProduct = true;      // the output is multiplied by another dense layer's weights
  bool isFirst = false;          // nobody asks for the gradient in the input
  bool feedsLikelihood = false;  // which adds a bias that is left to it
};

// The role of a layer's output.
inline ProductRole inputRole(const LayerUse& use) {
  if (!use.feedsProduct) return ProductRole::kNone;
  return use.training ? ProductRole::kTrainingInput : ProductRole::kInput;
}

class Layer {
 public:
  virtual ~Layer() = default;

  // output = this layer of x; keeps a reference to x for the backward pass.
  virtual void forward(const Activations& x, int64_t rows) = 0;

  // The rest starts from `outputGradient`, the gradient in this layer's value before its activation.

  // Writes the gradient in x before `madeX`, the activation that made it.
  virtual void inputGradient(ActivationKind madeX, Activations& gradient, int64_t rows) = 0;
  // Writes the weights' gradients.
  virtual void weightGradient(int64_t rows) = 0;

  // The weights' gradients as work that is shared out among the threads with that of other layers; null where
  // weightGradient() must be called.
  virtual const cpu::WeightProduct* weightProduct() const { return nullptr; }
  // Whether the weights' gradients are sure to be finite, judged by the magnitudes of the factors.
  virtual bool weightGradientBounded(int64_t /*rows*/) const { return false; }
  // Where this layer's parameters lie in the flat buffer, for layers without a weightProduct().
  virtual FlatRange parameterRange() const { return {}; }
  // On a device with fused kernels: this layer's ranges of the flat gradient, with what weightGradient() and
  // the backward pass have left of them to be gathered.
  virtual void gradientParts(int64_t /*rows*/, std::vector<GradientPart>& parts) const {
    const FlatRange range = parameterRange();
    parts.push_back({range.first, range.count, {}});
  }

  ActivationKind activation = ActivationKind::kIdentity;
  Activations output;
  Activations outputGradient;
};

}  // namespace torchvae::fused
