// The multilayer perceptron: dense layers of the widths in NetworkSpec::hidden, each with its normalization,
// activation and dropout. Labels are further inputs.

#include <ATen/ops/cat.h>

#include "net/tables.h"

namespace torchvae {
namespace {

class Mlp : public Network {
 public:
  // `outputSize` is of a last, linear layer; 0 for none.
  Mlp(Weights& weights, const std::string& name, const NetworkSpec& spec, int64_t in, int64_t outputSize,
      bool conditioned)
      : spec_(spec), conditioned_(conditioned) {
    std::vector<int64_t> widths = spec.hidden;
    if (outputSize > 0) widths.push_back(outputSize);
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string layer = name + "." + std::to_string(i);
      layers_.emplace_back(weights, layer, i == 0 ? in : widths[i - 1], widths[i]);
      if (i < spec.hidden.size()) norms_.emplace_back(weights, layer + ".norm", spec.norm, widths[i]);
    }
    outputSize_ = widths.empty() ? in : widths.back();
  }

  Tensor forward(const Tensor& x, Pass& pass) const override {
    Tensor h = conditioned_ ? at::cat({x, pass.labels}, 1) : x;
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (i >= spec_.hidden.size()) {
        h = layers_[i](h);
        continue;
      }
      const auto layer = [&](ActivationKind activation) { return layers_[i](h, activation); };
      h = dropout(norms_[i].after(layer, pass, spec_.activation), spec_.dropout, pass);
    }
    return h;
  }

 private:
  NetworkSpec spec_;
  bool conditioned_;
  std::vector<Linear> layers_;
  std::vector<Norm> norms_;
};

}  // namespace

std::unique_ptr<Network> makeMlpEncoder(Weights& weights, const ModelSpec& spec) {
  const int64_t labels = spec.condition.encoder ? spec.condition.classes : 0;
  return std::make_unique<Mlp>(weights, "encoder", spec.encoder, spec.inputSize() + labels, 0, labels > 0);
}

std::unique_ptr<Network> makeMlpDecoder(Weights& weights, const ModelSpec& spec, int64_t codeSize,
                                        int64_t outputSize) {
  const int64_t labels = spec.condition.decoder ? spec.condition.classes : 0;
  return std::make_unique<Mlp>(weights, "decoder", spec.decoder, codeSize + labels, outputSize, labels > 0);
}

}  // namespace torchvae
