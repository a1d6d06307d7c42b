// What training minimizes, as named terms.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "vae/vae.h"

namespace torchvae {

struct Terms {
  Tensor loss;                // of the batch, without dimensions
  Tensor reconstruction, kl;  // -log p(x|z) and KL(q || p), [B]
  std::vector<Tensor> extra;  // means over the batch of the terms in termNames()
  Tensor adversaryLoss;       // what the adversary minimizes; undefined without one
};

class Objective {
 public:
  virtual ~Objective() = default;
  // `examples` is the size of the data set that the batch x is from.
  virtual Terms evaluate(const Vae& vae, const Tensor& x, int64_t examples, Pass& pass) const = 0;
  virtual std::vector<std::string> termNames() const { return {}; }
  // Whether the loss holds derivatives, so that training differentiates these once more.
  virtual bool differentiatesTwice() const { return false; }
  // Whether the loss of an example depends on the others of its batch.
  virtual bool couplesRows() const { return false; }
  // Of the adversary's own Adam; 0 where there is none.
  virtual double adversaryLearningRate() const { return 0; }
};

// Throws ERR_SPEC for a type that the table does not hold, or one that does not go with the model's parts.
std::unique_ptr<Objective> makeObjective(Weights& weights, const ModelSpec& spec, const Vae& vae);

// A draw of z with what it costs: the beginning of most objectives.
struct Draft {
  Latent latent;
  Tensor y;               // the likelihood's parameters
  Tensor reconstruction;  // [B]
  Tensor divergence;      // [B, groups]
  Tensor kl;              // [B], the sum of that, without derivatives
};
Draft draft(const Vae& vae, const Tensor& x, Pass& pass);

// Means over the batch: of the reconstruction and of the posterior's own term, and of the divergence.
Tensor meanReconstruction(const Draft& draft, const Pass& pass);
Tensor meanDivergence(const Draft& draft, const Pass& pass);

}  // namespace torchvae
