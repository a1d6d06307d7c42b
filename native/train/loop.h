// The plain executor: one step after another, with a look at the abort flag and at the loss between them.
#pragma once

#include <functional>

#include "engine.h"

namespace torchvae {

// Where a batch stands in its update.
struct UpdateGroup {
  int64_t batches = 0;  // of the group whose gradients are summed already
  bool last = true;     // of its group: the update follows
};

// The examples order[first], ..., order[first + rows - 1].
struct Batch {
  int64_t first;
  int64_t rows;
  StepSchedule schedule;
  int64_t noise;  // the place of its noise: each batch of a group has noise of its own
  UpdateGroup group;
  bool isObserved = false;  // whether the result is to tell of this step
};

// Takes a batch, with the update after the last of a group, adds its losses to `sums`, and returns whether
// all was finite. If not, weights and buffers are as they were before the group.
using Step = std::function<bool(const Batch& batch, LossSums& sums)>;

// Runs `chunk` over a data set of `rows` examples and moves `step`, the count of updates, along. The
// batches that an update averages are taken whole or not at all, so that a pause never finds half a sum.
// Where one was not finite the chunk ends, or the update counts as skipped, with its examples left out of the
// sums.
TrainResult runLoop(const TrainChunk& chunk, int64_t rows, int64_t& step, const Step& take);

}  // namespace torchvae
