#include "fused/net/conv.h"

#include "error.h"
#include "fused/posterior.h"

namespace torchvae::fused {
namespace {

ImageFeatures imageOf(const Parameters& parameters, const ModelSpec& spec) {
  if (spec.inputShape.size() != 3) {
    throw Error("ERR_SPEC", "A conv network takes images: inputShape [channels, height, width]");
  }
  return {imageChannels(parameters, spec).stored, spec.inputShape[1], spec.inputShape[2]};
}

// A convolution from `large` to `channels` channels.
cpu::ConvGeometry geometryOf(const ImageFeatures& large, int64_t channels, const NetworkSpec& network) {
  const auto smaller = [&](int64_t n) { return (n - 1) / network.stride + 1; };
  return {large.height, large.width,    large.channels, smaller(large.height),   smaller(large.width),
          channels,     network.kernel, network.stride, (network.kernel - 1) / 2};
}

// A convolution's weights; `large` are its large image's channels.
ConvPlan declareConv(Parameters& parameters, const std::string& name, ConvDirection direction,
                     const cpu::ConvGeometry& geometry, const Channels& large) {
  const bool isDown = direction == ConvDirection::kDown;
  const Channels small{geometry.smallChannels, geometry.smallChannels};
  const ConvSlots slots =
      parameters.addConv(name, small.used, large, geometry.kernel, isDown ? small : large);
  return {slots, direction, geometry};
}

Channels largeChannels(const cpu::ConvGeometry& geometry) {
  return {geometry.largeChannels, geometry.largeChannels};
}

ImageFeatures smallImage(const cpu::ConvGeometry& g) {
  return {g.smallChannels, g.smallHeight, g.smallWidth};
}

}  // namespace

NetworkPlan declareConvEncoder(Parameters& parameters, const ModelSpec& spec, Features& encoded) {
  NetworkPlan plan;
  ImageFeatures image = imageOf(parameters, spec);
  for (size_t i = 0; i < spec.encoder.channels.size(); ++i) {
    const cpu::ConvGeometry geometry = geometryOf(image, spec.encoder.channels[i], spec.encoder);
    const Channels large = i == 0 ? imageChannels(parameters, spec) : largeChannels(geometry);
    plan.push_back(
        {declareConv(parameters, "encoder." + std::to_string(i), ConvDirection::kDown, geometry, large),
         spec.encoder.activation});
    image = smallImage(geometry);
  }
  encoded = {image.size(), image};
  return plan;
}

NetworkPlan declareConvDecoder(Parameters& parameters, const ModelSpec& spec) {
  ImageFeatures image = imageOf(parameters, spec);
  // The geometries from x's size down: channels of the decoder are listed in the order of computation,
  // upwards.
  std::vector<cpu::ConvGeometry> down;
  for (size_t i = spec.decoder.channels.size(); i-- > 0;) {
    down.push_back(geometryOf(image, spec.decoder.channels[i], spec.decoder));
    image = smallImage(down.back());
  }
  NetworkPlan plan;
  plan.push_back(
      {DensePlan{parameters.addDenseToImage("decoder.0", codeSize(spec), image)}, spec.decoder.activation});
  for (size_t i = down.size(); i-- > 0;) {
    const cpu::ConvGeometry& geometry = down[i];
    const Channels large = i == 0 ? imageChannels(parameters, spec) : largeChannels(geometry);
    plan.push_back({declareConv(parameters, "decoder." + std::to_string(down.size() - i), ConvDirection::kUp,
                                geometry, large),
                    spec.decoder.activation});
  }
  plan.back().activation = ActivationKind::kIdentity;
  return plan;
}

}  // namespace torchvae::fused
