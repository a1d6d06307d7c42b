// One training step, from the examples' numbers to the updated weights. The executors of train/ run it many
// times.
#pragma once

#include "fused/vae.h"
#include "ops/optimizer.h"
#include "train/input.h"
#include "train/loop.h"

namespace torchvae {

// Puts a batch's examples and its noise, a function of (seed, step) alone, into `vae`.
void loadBatch(const Context& context, fused::Vae& vae, const StepInput& input, uint64_t seed, int64_t step);

// Forward and backward: leaves the losses in vae.reconstruction and vae.kl, and the gradients of the
// activations.
void forwardAndBackward(const Context& context, fused::Vae& vae, const StepInput& input, uint64_t seed,
                        int64_t step);

// What a batch leaves of an update.
enum class UpdateOutcome : uint8_t { kDone, kPending, kNonFinite };

// The weights' gradients and, after the last batch of a group, the optimizer and the weights' average; `step`
// counts updates from 1. kPending where the group goes on; kNonFinite, with the weights untouched, where a
// gradient is not finite.
UpdateOutcome update(const Context& context, fused::Vae& vae, Parameters& parameters, int64_t rows,
                     const OptimizerSettings& settings, double learningRate, int64_t step,
                     const UpdateGroup& group = {});

// Adds the losses of `rows` examples that `vae` holds.
void addLosses(const Context& context, const fused::Vae& vae, int64_t rows, LossSums& sums);

// noise[0 .. rows) ~ N(0, I), a function of (seed, step) alone.
void drawNoise(const Context& context, uint64_t seed, int64_t step, int64_t rows, at::Tensor& noise);

}  // namespace torchvae
