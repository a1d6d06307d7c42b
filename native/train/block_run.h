// Training of models each of which one block of a device takes: their chunks side by side in one launch, with
// nothing between their steps. A model's bits do not depend on the others.
#pragma once

#include <functional>
#include <vector>

#include "engine.h"
#include "fused/block.h"
#include "step/step.h"
#include "train/observer.h"

namespace torchvae {

// A chunk of one model.
struct BlockTask {
  const Context& context;
  Step& step;  // which has a block()
  Parameters& parameters;
  uint64_t seed;  // of the noise
  const TrainChunk& chunk;
  const ResidentDataset& data;
  const at::Tensor& order;  // int64 [examples], on the device
  int64_t& updates;         // of the model so far; moved along
};

// Runs all chunks, by one thread of one device. From the first step whose loss or gradient is not finite, the
// device leaves a model's weights as they are. `meanwhile` is done by the host while the device has work.
std::vector<TrainResult> runBlocks(const std::vector<BlockTask>& tasks,
                                   const std::function<void()>& meanwhile);

}  // namespace torchvae
