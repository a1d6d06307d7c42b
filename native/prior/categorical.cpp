// The uniform distribution over the categories of a code's variables: what gumbel-softmax and
// vector-quantized posteriors are compared with.

#include <ATen/ops/zeros.h>

#include <cmath>

#include "prior/tables.h"

namespace torchvae {
namespace {

class Categorical : public Prior {
 public:
  Categorical(Weights& weights, const ModelSpec& spec, const Posterior& posterior)
      : codeSize_(posterior.codeSize()) {
    if (spec.posterior.type == "vector-quantized") {
      size_ = spec.latentSize;
      categories_ = spec.posterior.integer("codes");
      codebook_ = weights.buffer("posterior.codebook", {categories_, size_}, Init::normal(1));
    } else if (spec.posterior.type == "gumbel-softmax") {
      size_ = categories_ = spec.posterior.integer("categories");
    }
  }

  bool isCategorical() const override { return true; }

  // The probability of codes, not a density: -log(categories) for each variable.
  Tensor logProb(const Tensor& z, Pass& /*pass*/) const override {
    return at::zeros({z.size(0)}, z.options()) -
           std::log(static_cast<double>(categories_)) * static_cast<double>(codeSize_ / size_);
  }

  Tensor sample(int64_t rows, Pass& pass) const override {
    const int64_t variables = codeSize_ / size_;
    const Tensor index = (pass.draws.uniform({rows * variables}) * static_cast<double>(categories_))
                             .floor()
                             .clamp_max(categories_ - 1)
                             .to(c10::kLong);
    if (codebook_.defined()) return (*codebook_).index_select(0, index).view({rows, codeSize_});
    Tensor oneHot = at::zeros({rows * variables, categories_}, pass.beta.options());
    oneHot.scatter_(1, index.unsqueeze(1), 1.0);
    return oneHot.view({rows, codeSize_});
  }

 private:
  int64_t codeSize_;
  int64_t size_ = 1;
  int64_t categories_ = 1;
  Weight codebook_;
};

}  // namespace

std::unique_ptr<Prior> makeCategoricalPrior(Weights& weights, const ModelSpec& spec,
                                            const Posterior& posterior, const PosteriorOf& /*posteriorOf*/) {
  return std::make_unique<Categorical>(weights, spec, posterior);
}

}  // namespace torchvae
