// p(z): the density that codes are held to, and that new ones are drawn from.
#pragma once

#include <functional>
#include <memory>

#include "posterior/posterior.h"

namespace torchvae {

class Prior {
 public:
  virtual ~Prior() = default;
  // log p(z) for z [B, codeSize], [B].
  virtual Tensor logProb(const Tensor& z, Pass& pass) const = 0;
  // z ~ p(z), [rows, codeSize].
  virtual Tensor sample(int64_t rows, Pass& pass) const = 0;
  // Where p(z) is a diagonal normal: its parameters, [1 or B, D].
  virtual std::optional<Gaussian> gaussian(Pass& /*pass*/) const { return std::nullopt; }
  // Whether p(z) is N(0, I).
  virtual bool isStandardNormal() const { return false; }
  // Whether p(z) is uniform over categories, for which there are no densities.
  virtual bool isCategorical() const { return false; }
};

// What a prior may see of the encoder: the posterior of some x.
using PosteriorOf = std::function<Gaussian(const Tensor& x, Pass& pass)>;

// Throws ERR_SPEC for a type that the table does not hold.
std::unique_ptr<Prior> makePrior(Weights& weights, const ModelSpec& spec, const Posterior& posterior,
                                 const PosteriorOf& posteriorOf);

// Draws of a mixture's components: [rows] indices with the probabilities softmax(logits).
Tensor drawComponents(const Tensor& logits, int64_t rows, Pass& pass);

}  // namespace torchvae
