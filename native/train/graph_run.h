// Training by captured graphs (graph.h): a chunk of one model, or chunks of several at a time, whose small
// kernels then overlap on the device. A model's bits do not depend on the others.
#pragma once

#include <functional>
#include <vector>

#include "engine.h"
#include "train/graph.h"

namespace torchvae {

// A chunk of one model.
struct GraphTask {
  GraphExecutor& executor;
  const TrainChunk& chunk;
  const ResidentDataset& data;
  const at::Tensor& order;          // int64 [examples], on the device
  int64_t& step;                    // the count of updates so far; moved along
  Team team;                        // the ranks that run the same
  std::function<void()> meanwhile;  // done by the host when the chunk's steps are sent off
};

// Runs all chunks, by one thread of one device; models of more than one must be such that Step::mayOverlap(),
// and of one process.
// From the first step whose loss or gradient is not finite, the device leaves a model's weights as they are.
// A model that fails leaves the others alone.
std::vector<TrainOutcome> runGraphs(CudaPart& part, const std::vector<GraphTask>& tasks);

}  // namespace torchvae
