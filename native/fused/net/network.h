// Networks: layers one after another, declared from a plain spec.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "cpu/conv.h"
#include "fused/layers/conv.h"
#include "fused/layers/layer.h"
#include "spec.h"
#include "store/parameters.h"

namespace torchvae::fused {

// A layer whose weights have their place.
struct DensePlan {
  DenseSlots slots;
};
struct ConvPlan {
  ConvSlots slots;
  ConvDirection direction;
  cpu::ConvGeometry geometry;
};
struct LayerPlan {
  std::variant<DensePlan, ConvPlan> layer;
  ActivationKind activation = ActivationKind::kIdentity;
};
using NetworkPlan = std::vector<LayerPlan>;

// What a network takes or gives: features, and the image that they are, if they are one.
struct Features {
  int64_t size = 0;
  ImageFeatures image;  // of size() 0 for none
};

// Of the images that a conv network takes or makes, whose pixels lie one after another. Where only one of the
// networks is one, images have one channel, and pixels are values.
Channels imageChannels(const Parameters& parameters, const ModelSpec& spec);

// Columns of a one-hot label behind x and behind z, where a model is conditioned on labels.
struct LabelColumns {
  int64_t encoder = 0, decoder = 0;
};
inline LabelColumns labelsOf(const ModelSpec& spec) {
  const ConditionSpec& condition = spec.condition;
  return {condition.encoder ? condition.classes : 0, condition.decoder ? condition.classes : 0};
}

// Declares x -> features, with weights encoder.0, encoder.1, ... Throws ERR_SPEC for a type that the table
// does not hold.
NetworkPlan declareEncoder(Parameters& parameters, const ModelSpec& spec, Features& encoded);
// Declares z -> the likelihood's parameters, with weights decoder.0, decoder.1, ...
NetworkPlan declareDecoder(Parameters& parameters, const ModelSpec& spec);

class Network {
 public:
  // `use` is of the last layer, its isFirst of the first.
  Network(const Context& context, const Parameters& parameters, const NetworkPlan& plan, int64_t capacity,
          const LayerUse& use);

  // x [rows, in]; a network without layers hands x on.
  const Activations& forward(const Activations& x, int64_t rows);
  // From outputGradient(), writes the gradients of all layers' outputs and, unless null, that of x, which no
  // activation made.
  void backward(Activations* inputGradient, int64_t rows);

  std::vector<std::unique_ptr<Layer>>& layers() { return layers_; }
  bool empty() const { return layers_.empty(); }
  Activations& outputGradient() { return layers_.back()->outputGradient; }
  ActivationKind lastActivation() const {
    return layers_.empty() ? ActivationKind::kIdentity : layers_.back()->activation;
  }

 private:
  std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace torchvae::fused
