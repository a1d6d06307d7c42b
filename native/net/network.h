// Networks: x or z, with what they are conditioned on, to features.
#pragma once

#include <memory>

#include "net/layers.h"

namespace torchvae {

class Network {
 public:
  virtual ~Network() = default;
  // x [B, in] to [B, outputSize()]; images are flattened channels first, as in PyTorch.
  virtual Tensor forward(const Tensor& x, Pass& pass) const = 0;
  int64_t outputSize() const { return outputSize_; }

 protected:
  int64_t outputSize_ = 0;
};

// x [B, inputSize] to features, with weights encoder.0, encoder.1, ... Throws ERR_SPEC for a type that the
// table does not hold, or a shape of x that it does not take.
std::unique_ptr<Network> makeEncoder(Weights& weights, const ModelSpec& spec);
// z [B, codeSize] to the likelihood's parameters, `outputSize` for each example, which are `outputSize` /
// inputSize for each value of x.
std::unique_ptr<Network> makeDecoder(Weights& weights, const ModelSpec& spec, int64_t codeSize,
                                     int64_t outputSize);

// A multilayer perceptron of `widths`, the last one linear, for the parts that have one of their own.
class Perceptron {
 public:
  Perceptron() = default;
  Perceptron(Weights& weights, const std::string& name, int64_t in, const std::vector<int64_t>& widths,
             ActivationKind activation);
  Tensor operator()(const Tensor& x) const;

 private:
  std::vector<Linear> layers_;
  ActivationKind activation_ = ActivationKind::kRelu;
};

// The image that `spec.inputShape` is. Throws ERR_SPEC, naming the `type` of network, where it is none.
struct ImageShape {
  int64_t channels, height, width;
  int64_t size() const { return channels * height * width; }
};
ImageShape imageShape(const ModelSpec& spec, const std::string& type);

}  // namespace torchvae
