#include "fused/net/network.h"

#include "base/table.h"
#include "fused/layers/dense.h"
#include "fused/layers/device_conv.h"
#include "fused/net/conv.h"
#include "fused/net/mlp.h"

namespace torchvae::fused {
namespace {

struct Row {
  const char* name;
  NetworkPlan (*encoder)(Parameters&, const ModelSpec&, Features&);
  NetworkPlan (*decoder)(Parameters&, const ModelSpec&);
};

constexpr Row kTable[] = {
    {"mlp", declareMlpEncoder, declareMlpDecoder},
    {"conv", declareConvEncoder, declareConvDecoder},
};

std::unique_ptr<Layer> makeLayer(const Context& context, const Parameters& parameters, const LayerPlan& plan,
                                 int64_t capacity, const LayerUse& use) {
  if (const auto* dense = std::get_if<DensePlan>(&plan.layer)) {
    return std::make_unique<Dense>(context, parameters, dense->slots, plan.activation, capacity, use);
  }
  const auto& conv = std::get<ConvPlan>(plan.layer);
  if (context.kernels != nullptr) {
    return std::make_unique<DeviceConv>(context, parameters, conv.slots, conv.direction, conv.geometry,
                                        plan.activation, capacity, use);
  }
  return std::make_unique<Conv>(context, parameters, conv.slots, conv.direction, conv.geometry,
                                plan.activation, capacity, use);
}

}  // namespace

Channels imageChannels(const Parameters& parameters, const ModelSpec& spec) {
  const auto isConv = [](const NetworkSpec& network) { return network.type == "conv"; };
  if (!isConv(spec.encoder) && !isConv(spec.decoder)) return {};
  const int64_t used = spec.inputShape[0];
  if (used == 1) return {};
  const int64_t multiple = parameters.channelMultiple();
  return {used, (used + multiple - 1) / multiple * multiple};
}

NetworkPlan declareEncoder(Parameters& parameters, const ModelSpec& spec, Features& encoded) {
  return rowOf(kTable, "network", spec.encoder.type).encoder(parameters, spec, encoded);
}

NetworkPlan declareDecoder(Parameters& parameters, const ModelSpec& spec) {
  return rowOf(kTable, "network", spec.decoder.type).decoder(parameters, spec);
}

Network::Network(const Context& context, const Parameters& parameters, const NetworkPlan& plan,
                 int64_t capacity, const LayerUse& use) {
  for (size_t i = 0; i < plan.size(); ++i) {
    LayerUse own = use;
    own.isFirst = use.isFirst && i == 0;
    own.feedsLikelihood = use.feedsLikelihood && i + 1 == plan.size();
    // Only a dense layer reads its input's transpose.
    if (i + 1 < plan.size()) own.feedsProduct = std::holds_alternative<DensePlan>(plan[i + 1].layer);
    layers_.push_back(makeLayer(context, parameters, plan[i], capacity, own));
  }
}

const Activations& Network::forward(const Activations& x, int64_t rows) {
  const Activations* input = &x;
  for (const auto& layer : layers_) {
    layer->forward(*input, rows);
    input = &layer->output;
  }
  return *input;
}

void Network::backward(Activations* inputGradient, int64_t rows) {
  for (size_t i = layers_.size(); i-- > 1;) {
    layers_[i]->inputGradient(layers_[i - 1]->activation, layers_[i - 1]->outputGradient, rows);
  }
  if (!layers_.empty() && inputGradient != nullptr) {
    layers_[0]->inputGradient(ActivationKind::kIdentity, *inputGradient, rows);
  }
}

}  // namespace torchvae::fused
