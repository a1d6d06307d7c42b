// The plain executor: one step after another, with a look at the abort flag and at the loss between them.
#pragma once

#include "engine.h"
#include "train/step.h"

namespace torchvae {

// Runs `chunk` over `order` and moves `step`, the count of updates, along. The batches that an update
// averages are taken whole or not at all, so that a pause never finds half a sum. An update whose loss or
// gradient is not finite is not applied: the weights stay as they were before it, and the chunk ends there,
// or the update counts as skipped, with its examples left out of the sums.
TrainResult runLoop(const Context& context, Vae& vae, Parameters& parameters, const TrainChunk& chunk,
                    const ResidentDataset& data, const at::Tensor& order, uint64_t seed, int64_t& step);

// Adds the losses of `rows` examples that `vae` holds.
void addLosses(const Context& context, const Vae& vae, int64_t rows, LossSums& sums);

}  // namespace torchvae
