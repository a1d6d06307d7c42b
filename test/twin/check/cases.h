// Perceptrons of many shapes and settings, which the checks train.
#pragma once

#include <vector>

#include "engine.h"

namespace torchvae::check {

struct Case {
  const char* name;
  ModelSpec spec;
  int64_t rows, batch;
  OptimizerSettings optimizer{};
};

// With these widths of the hidden layers.
ModelSpec specOf(int64_t inputs, std::vector<int64_t> encoder, int64_t latent, std::vector<int64_t> decoder);
std::vector<Case> perceptronCases();

}  // namespace torchvae::check
