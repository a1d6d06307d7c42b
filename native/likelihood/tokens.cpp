// Tokens of a vocabulary, x = 0, ..., V - 1 in each place: a categorical distribution over the vocabulary.

#include <ATen/ops/argmax.h>

#include "likelihood/tables.h"
#include "ops/categorical.h"

namespace torchvae {
namespace {

class Tokens : public Likelihood {
 public:
  Tokens(const Weights& weights, int64_t places, int64_t vocabulary)
      : context_(weights.context()), places_(places), vocabulary_(vocabulary) {}

  int64_t parametersPerValue() const override { return vocabulary_; }

  Tensor negativeLogProb(const Tensor& x, const Tensor& y) const override {
    return categoricalLosses(*context_, x, 1, y);
  }

  // Between tokens there is nothing: the likeliest stand for the mean.
  Tensor mean(const Tensor& y) const override { return mode(y); }

  Tensor mode(const Tensor& y) const override { return logits(y).argmax(1).to(y.scalar_type()); }

  Tensor sample(const Tensor& y, Pass& pass) const override {
    const Tensor each = logits(y);
    return (each + pass.draws.gumbel(each.sizes())).argmax(1).to(y.scalar_type());
  }

 private:
  Tensor logits(const Tensor& y) const { return y.view({y.size(0), vocabulary_, places_}); }

  const Context* context_;
  int64_t places_, vocabulary_;
};

}  // namespace

std::unique_ptr<Likelihood> makeTokens(Weights& weights, const ModelSpec& spec) {
  return std::make_unique<Tokens>(weights, spec.inputSize(), spec.likelihood.integer("vocabulary"));
}

}  // namespace torchvae
