#include "train/chunk_state.h"

namespace torchvae {

StepState stateBefore(const TrainChunk& chunk, int64_t step, const Parameters& parameters) {
  StepState state{};
  state.step = step;
  state.batch = chunk.firstStep;
  state.averaged = parameters.averaged ? 1 : 0;
  state.examples = chunk.sums.examples;
  state.loss = chunk.sums.loss;
  state.reconstruction = chunk.sums.reconstruction;
  state.kl = chunk.sums.kl;
  return state;
}

void takeSums(const StepState& state, TrainResult& result) {
  result.skipped = state.skipped;
  result.sums.loss = state.loss;
  result.sums.reconstruction = state.reconstruction;
  result.sums.kl = state.kl;
  result.sums.examples = state.examples;
}

void noteAverage(const StepState& state, const TrainChunk& chunk, Parameters& parameters) {
  if (chunk.optimizer.averageDecay > 0 && state.averaged > 0) parameters.averaged = true;
}

}  // namespace torchvae
