// What a model is, as plain data: the counterpart of lib/model/spec.ts. No torch type appears here.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "error.h"

namespace torchvae {

enum class ActivationKind : uint8_t {
#define TORCHVAE_ACTIVATION(kind, name, kept, tensor, value, slope) kind,
#include "activations.h"
#undef TORCHVAE_ACTIVATION
};

// A part of a model by its name in its table, with its settings under the names that the description has.
struct PartSpec {
  std::string type;
  std::map<std::string, double> numbers;  // true and false are 1 and 0
  std::map<std::string, std::string> words;
  std::map<std::string, std::vector<int64_t>> lists;

  // Each throws ERR_SPEC for a setting that is missing.
  double number(const std::string& name) const { return setting(numbers, name); }
  int64_t integer(const std::string& name) const { return static_cast<int64_t>(number(name)); }
  bool flag(const std::string& name) const { return number(name) != 0; }
  const std::string& word(const std::string& name) const { return setting(words, name); }
  const std::vector<int64_t>& list(const std::string& name) const { return setting(lists, name); }

 private:
  template <class T>
  const T& setting(const std::map<std::string, T>& settings, const std::string& name) const {
    const auto found = settings.find(name);
    if (found != settings.end()) return found->second;
    throw Error("ERR_SPEC", "Expected the setting " + name + " of '" + type + "'");
  }
};

enum class NormKind : uint8_t { kNone, kBatch, kLayer };

struct NetworkSpec {
  std::string type = "mlp";
  std::vector<int64_t> hidden;  // mlp: widths of the hidden layers, in order of computation
  std::vector<int64_t>
      channels;  // conv, residual: of each convolution's small image, in order of computation
  int64_t kernel = 3;
  int64_t stride = 2;
  ActivationKind activation = ActivationKind::kRelu;
  NormKind norm = NormKind::kNone;  // before every activation
  double dropout = 0;               // after every activation
};

// Labels that a model is conditioned on.
struct ConditionSpec {
  int64_t classes = 0;  // 0 for none
  bool encoder = false;
  bool decoder = false;
  bool prior = false;
};

struct ModelSpec {
  std::vector<int64_t> inputShape;  // of one example
  NetworkSpec encoder;
  int64_t latentSize = 0;
  PartSpec posterior;
  PartSpec prior;
  NetworkSpec decoder;
  PartSpec likelihood;
  PartSpec objective;
  ConditionSpec condition;

  int64_t inputSize() const {
    int64_t size = 1;
    for (int64_t n : inputShape) size *= n;
    return size;
  }
};

}  // namespace torchvae
