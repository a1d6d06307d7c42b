// q(z|x): draws of z from the encoder's features, and what is known of their distribution.
#pragma once

#include <memory>
#include <optional>

#include "net/network.h"

namespace torchvae {

// A diagonal normal distribution: each [B, D].
struct Gaussian {
  Tensor mean, logVariance;

  // From a head [B, 2 D].
  static Gaussian of(const Tensor& head) {
    const auto parts = head.chunk(2, 1);
    return {parts[0], parts[1]};
  }
  Tensor rsample(const Tensor& noise) const { return mean + (logVariance * 0.5).exp() * noise; }
};

// log N(z; mean, exp(logVariance)) for each dimension, [B, D] (or what the shapes broadcast to).
Tensor gaussianLogProb(const Tensor& z, const Tensor& mean, const Tensor& logVariance);
// KL(N(a) || N(b)) for each dimension, [B, D].
Tensor gaussianKl(const Gaussian& a, const Gaussian& b);

// A draw of z, [B, codeSize], differentiable in the features.
struct Latent {
  Tensor z;
  Tensor head;  // q's means and log-variances for each x, [B, 2 D]; undefined where it is no diagonal normal
  Tensor logQ;  // log q(z|x), [B]; undefined where q has no density
  // KL(q || N(0, I)) for each dimension, [B, D], where q is a normal.
  Tensor fromStandardNormal;
  // The divergence, for each dimension or group, [B, groups], where the posterior computes it.
  Tensor ownDivergence;
  Tensor penalty;  // what the posterior adds to the loss, [B]; undefined for nothing

  // q itself, where it is a diagonal normal.
  std::optional<Gaussian> gaussian() const {
    return head.defined() ? std::optional(Gaussian::of(head)) : std::nullopt;
  }
};

class Posterior {
 public:
  virtual ~Posterior() = default;
  // Values in a code z.
  virtual int64_t codeSize() const = 0;
  virtual Latent rsample(const Tensor& features, Pass& pass) const = 0;
  // `count` draws for each row of the features, those of a row one after the other: z and log q(z|x) have as
  // many rows.
  virtual Latent rsampleEach(const Tensor& features, int64_t count, Pass& pass) const {
    return rsample(features.repeat_interleave(count, 0), pass);
  }
  // The mean of q(z|x) and its logarithmic variance, [B, codeSize]; minus infinity for a point.
  virtual Gaussian moments(const Tensor& features, Pass& pass) const = 0;
  // q(z|x) where it is a diagonal normal.
  virtual std::optional<Gaussian> gaussian(const Tensor& /*features*/) const { return std::nullopt; }
  // Whether a draw comes with its density, and whether that is a normal.
  virtual bool hasDensity() const { return false; }
  virtual bool isGaussian() const { return false; }
  // What the divergence is from, where the posterior computes it.
  enum class Own : uint8_t { kNone, kStandardNormal, kCategorical };
  virtual Own ownDivergence() const { return Own::kNone; }
};

// Throws ERR_SPEC for a type that the table does not hold.
std::unique_ptr<Posterior> makePosterior(Weights& weights, const ModelSpec& spec, int64_t features);

}  // namespace torchvae
