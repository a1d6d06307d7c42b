#include "train/chunk_state.h"

namespace torchvae {

StepState stateBefore(const TrainChunk& chunk, int64_t step) {
  StepState state{};
  state.step = step;
  state.batch = chunk.firstStep;
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

}  // namespace torchvae
