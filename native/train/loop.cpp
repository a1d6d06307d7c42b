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

TrainResult runLoop(const Context& context, Vae& vae, Parameters& parameters, const TrainChunk& chunk,
                    const ResidentDataset& data, const at::Tensor& order, uint64_t seed, int64_t& step) {
  const auto start = std::chrono::steady_clock::now();
  TrainResult result;
  result.sums = chunk.sums;
  for (; result.steps < chunk.steps; ++result.steps) {
    if (chunk.abort != nullptr && chunk.abort->load(std::memory_order_relaxed)) {
      result.reason = StopReason::kAborted;
      break;
    }
    const int64_t first = (chunk.firstStep + result.steps) * chunk.batchSize;
    const StepInput input{data, order, first, std::min(chunk.batchSize, data.rows() - first),
                          chunk.schedule[static_cast<size_t>(result.steps)], {}};
    forwardAndBackward(context, vae, input, seed, step);
    LossSums sums = result.sums;
    addLosses(context, vae, input.rows, sums);
    if (!std::isfinite(sums.reconstruction) || !std::isfinite(sums.kl) ||
        !update(context, vae, parameters, input.rows, chunk.optimiser, input.schedule.learningRate,
                step + 1)) {
      result.reason = StopReason::kNonFinite;
      break;
    }
    result.sums = sums;
    ++step;
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace torchvae
