// The plain executor: one step after another, with a look at the abort flag and at the loss between them.
#pragma once

#include "engine.h"
#include "train/step.h"

namespace torchvae {

// Runs `chunk` over `order` and moves `step`, the count of updates, along. A step whose loss or gradient is
// not finite is not applied: the weights stay as they were before it.
TrainResult runLoop(const Context& context, Vae& vae, Parameters& parameters, const TrainChunk& chunk,
                    const ResidentDataset& data, const at::Tensor& order, uint64_t seed, int64_t& step);

// Adds the losses of `rows` examples that `vae` holds.
void addLosses(const Context& context, const Vae& vae, int64_t rows, LossSums& sums);

}  // namespace torchvae
