// What an encoder is shown of tokens: for each a vector that is learned with it, as torch.nn.Embedding has
// them.

#include <ATen/ops/embedding.h>

#include "net/tables.h"

namespace torchvae {
namespace {

class Embedded : public Network {
 public:
  Embedded(Weight vectors, std::unique_ptr<Network> network)
      : vectors_(std::move(vectors)), network_(std::move(network)) {
    outputSize_ = network_->outputSize();
  }

  Tensor forward(const Tensor& x, Pass& pass) const override {
    const Tensor vectors = at::embedding(*vectors_, x.round().to(c10::kLong));
    return network_->forward(vectors.flatten(1), pass);
  }

 private:
  Weight vectors_;
  std::unique_ptr<Network> network_;
};

}  // namespace

std::unique_ptr<Network> makeEmbedded(Weights& weights, const ModelSpec& spec, MakeEncoder& make) {
  const int64_t width = spec.likelihood.integer("embedding");
  const Weight vectors = weights.parameter("encoder.embedding.weight",
                                           {spec.likelihood.integer("vocabulary"), width}, Init::normal(1));
  ModelSpec shown = spec;
  shown.inputShape = {spec.inputSize() * width};
  return std::make_unique<Embedded>(vectors, make(weights, shown));
}

}  // namespace torchvae
