// What a model makes of its code z.
#pragma once

#include "engine.h"
#include "vae/vae.h"

namespace torchvae {

// Adds up batch by batch what LatentStatistics holds.
class LatentSurvey {
 public:
  // The moments [B, codeSize], the divergences [B, groups] and, where q(z|x) is a normal, it and a draw.
  void add(const Tensor& mean, const Tensor& divergence, const std::optional<Gaussian>& q, const Tensor& z);
  LatentStatistics finish() const;

 private:
  std::vector<Tensor> means_, divergences_;  // float64 on the device
  std::vector<Tensor> centers_, logVariances_, codes_;
};

// E over examples of log q(z|x) - log q(z), with z [N, D] one draw from each of N normals of `mean` and
// `logVariance` [N, D], and q(z) their mixture.
double mutualInformation(const Tensor& z, const Tensor& mean, const Tensor& logVariance);

}  // namespace torchvae
