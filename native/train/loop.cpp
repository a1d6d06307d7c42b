#include "train/loop.h"

#include <algorithm>
#include <chrono>

namespace torchvae {

TrainResult runLoop(const TrainChunk& chunk, int64_t rows, int64_t& step, const Step& take) {
  const auto start = std::chrono::steady_clock::now();
  TrainResult result;
  result.sums = chunk.sums;
  for (; result.steps < chunk.steps; ++result.steps) {
    if (chunk.abort != nullptr && chunk.abort->load(std::memory_order_relaxed)) {
      result.reason = StopReason::kAborted;
      break;
    }
    const int64_t first = (chunk.firstStep + result.steps) * chunk.batchSize;
    const Batch batch{first, std::min(chunk.batchSize, rows - first),
                      chunk.schedule[static_cast<size_t>(result.steps)]};
    LossSums sums = result.sums;
    if (!take(batch, sums)) {
      result.reason = StopReason::kNonFinite;
      break;
    }
    result.sums = std::move(sums);
    ++step;
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace torchvae
