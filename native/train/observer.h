// Diagnostics of one step: norms of gradients and updates, and which numbers are not finite.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "engine.h"
#include "store/parameters.h"

namespace torchvae {

// Looks at one step: begin() when parameters.gradients holds its gradients, end() after the update, if there
// was one.
class StepObserver {
 public:
  explicit StepObserver(const Parameters& parameters) : parameters_(parameters) {}
  void begin();
  void end();
  // Of the step between the last begin() and end(), one for each parameter; empty if there was none.
  std::vector<TensorNorms> take() {
    return before_.defined() ? std::vector<TensorNorms>() : std::move(norms_);
  }

 private:
  const Parameters& parameters_;
  at::Tensor before_;  // the weights, between begin() and end()
  std::vector<TensorNorms> norms_;
};

// The losses and gradients that are not finite, for a batch whose losses took `before` to `after`; see
// TrainResult::faults.
std::vector<std::string> faultsOf(const LossSums& before, const LossSums& after,
                                  const Parameters& parameters);

}  // namespace torchvae
