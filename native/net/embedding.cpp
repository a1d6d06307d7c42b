// What an encoder is shown of tokens: for each a vector that is learned with it, as torch.nn.Embedding has
// them.

#include "ops/embedding.h"

#include "net/tables.h"

namespace torchvae {
namespace {

class Embedded : public Network {
 public:
  Embedded(const Weights& weights, Weight vectors, std::unique_ptr<Network> network)
      : context_(weights.context()), vectors_(std::move(vectors)), network_(std::move(network)) {
    outputSize_ = network_->outputSize();
  }

  Tensor forward(const Tensor& x, Pass& pass) const override {
    return network_->forward(embedding(*context_, x, *vectors_), pass);
  }

 private:
  const Context* context_;
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
  return std::make_unique<Embedded>(weights, vectors, make(weights, shown));
}

}  // namespace torchvae
