#include "net/mlp.h"

namespace torchvae {

std::vector<DenseSlots> declareMlp(Parameters& parameters, const std::string& name, int64_t in,
                                   const std::vector<int64_t>& widths) {
  std::vector<DenseSlots> layers;
  for (size_t i = 0; i < widths.size(); ++i) {
    layers.push_back(
        parameters.addDense({name + "." + std::to_string(i)}, i == 0 ? in : widths[i - 1], widths[i]));
  }
  return layers;
}

Mlp::Mlp(const Context& context, const Parameters& parameters, const std::vector<DenseSlots>& layers,
         ActivationKind hidden, ActivationKind last, int64_t capacity, const DenseUse& use) {
  for (size_t i = 0; i < layers.size(); ++i) {
    const bool isLast = i + 1 == layers.size();
    layers_.emplace_back(context, parameters, layers[i], isLast ? last : hidden, capacity,
                         isLast ? use : DenseUse{use.training, true});
  }
}

const Activations& Mlp::forward(const Activations& x, int64_t rows) {
  const Activations* input = &x;
  for (Dense& layer : layers_) {
    layer.forward(*input, rows);
    input = &layer.output;
  }
  return *input;
}

void Mlp::backward(Activations* inputGradient, int64_t rows) {
  for (size_t i = layers_.size(); i-- > 1;) {
    layers_[i].inputGradient(layers_[i - 1].activation(), layers_[i - 1].outputGradient, rows);
  }
  if (!layers_.empty() && inputGradient != nullptr) {
    layers_[0].inputGradient(ActivationKind::kIdentity, *inputGradient, rows);
  }
}

}  // namespace torchvae
