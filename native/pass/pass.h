// What one pass over a batch brings along, beside the batch.
#pragma once

#include "base/tensor.h"
#include "pass/draws.h"

namespace torchvae {

class WholeBatch;

struct Pass {
  Draws& draws;
  bool training = false;  // dropout acts, and running statistics follow the batch
  Tensor labels;          // one-hot [B, classes]; undefined where the model is not conditioned
  // StepSchedule's fields as tensors without dimensions on the model's device.
  Tensor beta, capacity, temperature;
  // Where the pass is over one rank's rows and something looks at all of them; else null.
  const WholeBatch* whole = nullptr;
};

}  // namespace torchvae
