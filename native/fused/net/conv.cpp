#include "fused/net/conv.h"

#include "error.h"

namespace torchvae::fused {
namespace {

ImageFeatures imageOf(const ModelSpec& spec) {
  if (spec.inputShape.size() != 3) {
    throw Error("ERR_SPEC", "A conv network takes images: inputShape [channels, height, width]");
  }
  return {spec.inputShape[0], spec.inputShape[1], spec.inputShape[2]};
}

// A convolution from `large` to `channels` channels.
cpu::ConvGeometry geometryOf(const ImageFeatures& large, int64_t channels, const NetworkSpec& network) {
  const auto smaller = [&](int64_t n) { return (n - 1) / network.stride + 1; };
  return {large.height, large.width,    large.channels, smaller(large.height),   smaller(large.width),
          channels,     network.kernel, network.stride, (network.kernel - 1) / 2};
}

ImageFeatures smallImage(const cpu::ConvGeometry& g) {
  return {g.smallChannels, g.smallHeight, g.smallWidth};
}

}  // namespace

NetworkPlan declareConvEncoder(Parameters& parameters, const ModelSpec& spec, Features& encoded) {
  NetworkPlan plan;
  ImageFeatures image = imageOf(spec);
  for (size_t i = 0; i < spec.encoder.channels.size(); ++i) {
    const cpu::ConvGeometry geometry = geometryOf(image, spec.encoder.channels[i], spec.encoder);
    const ConvSlots slots = parameters.addConv("encoder." + std::to_string(i), geometry.smallChannels,
                                               image.channels, geometry.kernel, geometry.smallChannels);
    plan.push_back({ConvPlan{slots, ConvDirection::kDown, geometry}, spec.encoder.activation});
    image = smallImage(geometry);
  }
  encoded = {image.size(), image};
  return plan;
}

NetworkPlan declareConvDecoder(Parameters& parameters, const ModelSpec& spec) {
  ImageFeatures image = imageOf(spec);
  // The geometries from x's size down: channels of the decoder are listed in the order of computation,
  // upwards.
  std::vector<cpu::ConvGeometry> down;
  for (size_t i = spec.decoder.channels.size(); i-- > 0;) {
    down.push_back(geometryOf(image, spec.decoder.channels[i], spec.decoder));
    image = smallImage(down.back());
  }
  NetworkPlan plan;
  plan.push_back(
      {DensePlan{parameters.addDenseToImage("decoder.0", spec.latentSize, image)}, spec.decoder.activation});
  for (size_t i = down.size(); i-- > 0;) {
    const cpu::ConvGeometry& geometry = down[i];
    const ConvSlots slots =
        parameters.addConv("decoder." + std::to_string(down.size() - i), geometry.smallChannels,
                           geometry.largeChannels, geometry.kernel, geometry.largeChannels);
    plan.push_back({ConvPlan{slots, ConvDirection::kUp, geometry}, spec.decoder.activation});
  }
  plan.back().activation = ActivationKind::kIdentity;
  return plan;
}

}  // namespace torchvae::fused
