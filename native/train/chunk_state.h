// Where a chunk stands that a device takes by its own counters: what it is told at the beginning, and what it
// has come to.
#pragma once

#include "engine.h"
#include "kernels/kernels.h"
#include "store/parameters.h"

namespace torchvae {

// The state that the chunk's first step starts from, of a model that has had `step` updates.
StepState stateBefore(const TrainChunk& chunk, int64_t step, const Parameters& parameters);
// Takes the counts and sums of `state` into `result`.
void takeSums(const StepState& state, TrainResult& result);
// Makes the weights' average part of the model's state if the device has begun it by `state`.
void noteAverage(const StepState& state, const TrainChunk& chunk, Parameters& parameters);

}  // namespace torchvae
