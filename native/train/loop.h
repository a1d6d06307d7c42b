// The plain executor: one step after another, with a look at the abort flag and at the loss between them.
#pragma once

#include <functional>

#include "engine.h"

namespace torchvae {

// The examples of one step: order[first], ..., order[first + rows - 1].
struct Batch {
  int64_t first;
  int64_t rows;
  StepSchedule schedule;
};

// Takes a step, adds its losses to `sums`, and returns whether all was finite. If not, the weights are as
// they were before.
using Step = std::function<bool(const Batch& batch, LossSums& sums)>;

// Runs `chunk` over a data set of `rows` examples and moves `step`, the count of updates, along. It ends
// where a step was not finite.
TrainResult runLoop(const TrainChunk& chunk, int64_t rows, int64_t& step, const Step& take);

}  // namespace torchvae
