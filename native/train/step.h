// One training step, from the examples' numbers to the updated weights. The executors of train/ run it many
// times.
#pragma once

#include "data/resident.h"
#include "fused/vae.h"
#include "ops/adam.h"

namespace torchvae {

struct StepInput {
  const ResidentDataset& data;
  const at::Tensor& order;  // int64 on the device: a permutation of the examples
  int64_t first;            // the batch is order[first], ..., order[first + rows - 1]
  int64_t rows;
  StepSchedule schedule;
};

// Forward and backward: leaves the losses in vae.reconstruction and vae.kl, and the gradients of the
// activations.
void forwardAndBackward(const Context& context, fused::Vae& vae, const StepInput& input, uint64_t seed,
                        int64_t step);

// The weights' gradients and Adam; `step` counts from 1. Returns false, with the weights untouched, where a
// gradient is not finite.
bool update(const Context& context, fused::Vae& vae, Parameters& parameters, int64_t rows,
            const OptimiserSettings& settings, double learningRate, int64_t step);

// Adds the losses of `rows` examples that `vae` holds.
void addLosses(const Context& context, const fused::Vae& vae, int64_t rows, LossSums& sums);

// noise[0 .. rows) ~ N(0, I), a function of (seed, step) alone.
void drawNoise(const Context& context, uint64_t seed, int64_t step, int64_t rows, at::Tensor& noise);

}  // namespace torchvae
