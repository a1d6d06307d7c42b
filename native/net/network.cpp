#include "net/network.h"

#include "base/table.h"
#include "net/tables.h"

namespace torchvae {
namespace {

struct Row {
  const char* name;
  MakeEncoder* encoder;
  std::unique_ptr<Network> (*decoder)(Weights&, const ModelSpec&, int64_t codeSize, int64_t outputSize);
};

constexpr Row kTable[] = {
    {"mlp", makeMlpEncoder, makeMlpDecoder},
    {"conv", makeConvEncoder, makeConvDecoder},
    {"residual", makeResidualEncoder, makeResidualDecoder},
};

}  // namespace

std::unique_ptr<Network> makeEncoder(Weights& weights, const ModelSpec& spec) {
  MakeEncoder& make = *rowOf(kTable, "network", spec.encoder.type).encoder;
  return spec.likelihood.type == "tokens" ? makeEmbedded(weights, spec, make) : make(weights, spec);
}

std::unique_ptr<Network> makeDecoder(Weights& weights, const ModelSpec& spec, int64_t codeSize,
                                     int64_t outputSize) {
  return rowOf(kTable, "network", spec.decoder.type).decoder(weights, spec, codeSize, outputSize);
}

Perceptron::Perceptron(Weights& weights, const std::string& name, int64_t in,
                       const std::vector<int64_t>& widths, ActivationKind activation)
    : activation_(activation) {
  for (size_t i = 0; i < widths.size(); ++i) {
    layers_.emplace_back(weights, name + "." + std::to_string(i), i == 0 ? in : widths[i - 1], widths[i]);
  }
}

Tensor Perceptron::operator()(const Tensor& x) const {
  Tensor h = x;
  for (size_t i = 0; i < layers_.size(); ++i) {
    h = layers_[i](h, i + 1 < layers_.size() ? activation_ : ActivationKind::kIdentity);
  }
  return h;
}

ImageShape imageShape(const ModelSpec& spec, const std::string& type) {
  const auto& shape = spec.inputShape;
  if (shape.size() == 3) return {shape[0], shape[1], shape[2]};
  if (shape.size() == 2) return {1, shape[0], shape[1]};
  throw Error("ERR_SPEC", "Expected inputShape [channels, height, width] for a " + type +
                              " network; use an mlp for other data");
}

}  // namespace torchvae
