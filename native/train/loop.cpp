#include "train/loop.h"

#include <ATen/ops/sum.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace torchvae {
namespace {

double sumOf(const Context& context, const at::Tensor& losses, int64_t rows) {
  if (!context.tiled()) return losses.narrow(0, 0, rows).sum(c10::kDouble).item<double>();
  const float* values = losses.data_ptr<float>();
  double sum = 0;
  for (int64_t i = 0; i < rows; ++i) sum += values[i];
  return sum;
}

}  // namespace

void addLosses(const Context& context, const Vae& vae, int64_t rows, LossSums& sums) {
  sums.reconstruction += sumOf(context, vae.reconstruction, rows);
  sums.kl += sumOf(context, vae.kl, rows);
  sums.examples += rows;
}

namespace {

// One update: the batches whose gradients it averages, one after another.
class Group {
 public:
  Group(const Context& context, Vae& vae, Parameters& parameters, const TrainChunk& chunk)
      : context_(context), vae_(vae), parameters_(parameters), chunk_(chunk) {}

  // The batches from the chunk's `first` on to the end of their group, of the epoch or of the chunk.
  int64_t batchesFrom(int64_t first, int64_t inEpoch) const {
    const int64_t position = chunk_.firstStep + first;
    const int64_t every = chunk_.optimiser.accumulate;
    return std::min({every - position % every, inEpoch - position, chunk_.steps - first});
  }

  // Returns whether the update was made; where not, the weights are untouched and a loss or gradient is not
  // finite. `sums` takes up the losses either way.
  bool run(const ResidentDataset& data, const at::Tensor& order, uint64_t seed, int64_t step, int64_t first,
           int64_t batches, LossSums& sums) {
    for (int64_t i = 0; i < batches; ++i) {
      const int64_t from = (chunk_.firstStep + first + i) * chunk_.batchSize;
      const StepSchedule& schedule = chunk_.schedule[static_cast<size_t>(first + i)];
      const StepInput input{data, order, from, std::min(chunk_.batchSize, data.rows() - from), schedule};
      // Each batch of a group has noise of its own.
      forwardAndBackward(context_, vae_, input, seed, step * chunk_.optimiser.accumulate + i);
      addLosses(context_, vae_, input.rows, sums);
      if (!std::isfinite(sums.reconstruction) || !std::isfinite(sums.kl)) return false;
      if (update(context_, vae_, parameters_, input.rows, chunk_.optimiser, schedule.learningRate, step + 1,
                 {i, i + 1 == batches}) == UpdateOutcome::kNonFinite) {
        return false;
      }
    }
    return true;
  }

 private:
  const Context& context_;
  Vae& vae_;
  Parameters& parameters_;
  const TrainChunk& chunk_;
};

}  // namespace

TrainResult runLoop(const Context& context, Vae& vae, Parameters& parameters, const TrainChunk& chunk,
                    const ResidentDataset& data, const at::Tensor& order, uint64_t seed, int64_t& step) {
  const auto start = std::chrono::steady_clock::now();
  const int64_t inEpoch = (data.rows() + chunk.batchSize - 1) / chunk.batchSize;
  Group group(context, vae, parameters, chunk);
  TrainResult result;
  result.sums = chunk.sums;
  while (result.steps < chunk.steps) {
    if (chunk.abort != nullptr && chunk.abort->load(std::memory_order_relaxed)) {
      result.reason = StopReason::kAborted;
      break;
    }
    const int64_t batches = group.batchesFrom(result.steps, inEpoch);
    LossSums sums = result.sums;
    if (group.run(data, order, seed, step, result.steps, batches, sums)) {
      result.sums = sums;
    } else if (chunk.optimiser.skipNonFinite) {
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
