// Diagnostics of one step: norms of gradients and updates, and which numbers are not finite.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "engine.h"
#include "step/step.h"
#include "store/parameters.h"

namespace torchvae {

// Looks at one step: begin() when parameters.gradients holds its gradients, end() after the update, if there
// was one. On a device nothing waits for the norms before they are taken.
class StepObserver {
 public:
  explicit StepObserver(const Parameters& parameters) : parameters_(parameters) {}
  void begin();
  void end();
  // Of the step between the last begin() and end(), one for each parameter; empty if there was none.
  std::vector<TensorNorms> take();

 private:
  const Parameters& parameters_;
  at::Tensor before_;                        // the weights, between begin() and end()
  at::Tensor gradients_, updates_, values_;  // norms, double [entries]; updates_ from end() on
};

// The losses and gradients that are not finite, for a batch whose losses took `before` to `after`; see
// TrainResult::faults.
std::vector<std::string> faultsOf(const LossSums& before, const LossSums& after,
                                  const Parameters& parameters);
// Those of a batch that a device has refused: it is taken once more, with the weights as they are.
std::vector<std::string> faultsAgain(Step& step, const StepInput& batch, const Parameters& parameters);

}  // namespace torchvae
