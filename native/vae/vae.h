// A variational autoencoder put together from its parts: what a model is. Every derivative is libtorch's.
#pragma once

#include <memory>

#include "likelihood/likelihood.h"
#include "net/network.h"
#include "posterior/posterior.h"
#include "prior/prior.h"

namespace torchvae {

class Vae {
 public:
  // Declares or uses the tensors of a model of this `spec`. Throws ERR_SPEC for parts that do not go
  // together.
  Vae(Weights& weights, const ModelSpec& spec);
  Vae(const Vae&) = delete;
  Vae& operator=(const Vae&) = delete;

  // x [B, inputSize] to the features that the posterior's parameters are made from.
  Tensor encode(const Tensor& x, Pass& pass) const { return encoder_->forward(x, pass); }
  // z [B, codeSize] to the likelihood's parameters.
  Tensor decode(const Tensor& z, Pass& pass) const { return decoder_->forward(z, pass); }
  // KL(q(z|x) || p(z)), [B, dimensions or groups]: in closed form where there is one, else log q - log p at
  // the drawn z, [B, 1].
  Tensor divergence(const Latent& latent, Pass& pass) const;

  const Posterior& posterior() const { return *posterior_; }
  const Prior& prior() const { return *prior_; }
  const Likelihood& likelihood() const { return *likelihood_; }
  const ModelSpec& spec() const { return spec_; }

 private:
  ModelSpec spec_;
  std::unique_ptr<Network> encoder_;
  std::unique_ptr<Posterior> posterior_;
  std::unique_ptr<Prior> prior_;
  std::unique_ptr<Likelihood> likelihood_;
  std::unique_ptr<Network> decoder_;
};

}  // namespace torchvae
