#include "train/loop.h"

#include <algorithm>
#include <chrono>

namespace torchvae {
namespace {

// The batches from the chunk's `first` on to the end of their group, of the epoch or of the chunk.
int64_t batchesFrom(const TrainChunk& chunk, int64_t first, int64_t inEpoch) {
  const int64_t position = chunk.firstStep + first;
  const int64_t every = chunk.optimizer.accumulate;
  return std::min({every - position % every, inEpoch - position, chunk.steps - first});
}

// The place of a batch's noise; the sequence of places is a circle, as a checkpoint may claim any step.
int64_t noiseOf(int64_t step, int64_t accumulate, int64_t batch) {
  return static_cast<int64_t>(static_cast<uint64_t>(step) * static_cast<uint64_t>(accumulate) +
                              static_cast<uint64_t>(batch));
}

}  // namespace

TrainResult runLoop(const TrainChunk& chunk, int64_t rows, int64_t& step, const Step& take) {
  const auto start = std::chrono::steady_clock::now();
  const int64_t inEpoch = (rows + chunk.batchSize - 1) / chunk.batchSize;
  TrainResult result;
  result.sums = chunk.sums;
  while (result.steps < chunk.steps) {
    if (chunk.abort != nullptr && chunk.abort->load(std::memory_order_relaxed)) {
      result.reason = StopReason::kAborted;
      break;
    }
    const int64_t batches = batchesFrom(chunk, result.steps, inEpoch);
    LossSums sums = result.sums;
    bool finite = true;
    for (int64_t i = 0; i < batches && finite; ++i) {
      const int64_t first = (chunk.firstStep + result.steps + i) * chunk.batchSize;
      finite = take({first,
                     std::min(chunk.batchSize, rows - first),
                     chunk.schedule[static_cast<size_t>(result.steps + i)],
                     noiseOf(step, chunk.optimizer.accumulate, i),
                     {i, i + 1 == batches},
                     chunk.observe && result.steps + i + 1 == chunk.steps},
                    sums);
    }
    if (finite) {
      result.sums = std::move(sums);
    } else if (chunk.optimizer.skipNonFinite) {
      ++result.skipped;
    } else {
      result.reason = StopReason::kNonFinite;
      break;
    }
    result.steps += batches;
    ++step;
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace torchvae
