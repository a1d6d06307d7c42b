// What a model is, as plain data: the counterpart of lib/model/spec.ts. No torch type appears here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace torchvae {

enum class ActivationKind : uint8_t { kIdentity, kRelu, kTanh, kSigmoid, kElu, kSoftplus };

struct NetworkSpec {
  std::string type = "mlp";
  std::vector<int64_t> hidden;    // mlp: widths of the hidden layers, in order of computation
  std::vector<int64_t> channels;  // conv: of the small image of each convolution, in order of computation
  int64_t kernel = 3;
  int64_t stride = 2;
  ActivationKind activation = ActivationKind::kRelu;
};

struct LikelihoodSpec {
  std::string type = "bernoulli";
  double sigma = 1;  // standard deviation of the Gaussian likelihood
};

struct ModelSpec {
  std::vector<int64_t> inputShape;  // of one example
  NetworkSpec encoder;
  int64_t latentSize = 0;
  std::string posterior = "gaussian";
  std::string prior = "standard-normal";
  NetworkSpec decoder;
  LikelihoodSpec likelihood;

  int64_t inputSize() const {
    int64_t size = 1;
    for (int64_t n : inputShape) size *= n;
    return size;
  }
};

}  // namespace torchvae
