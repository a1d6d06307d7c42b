#include "train/step.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/sum.h>

#include <algorithm>
#include <cmath>

#include "random/philox.h"

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

void addLosses(const Context& context, const fused::Vae& vae, int64_t rows, LossSums& sums) {
  sums.reconstruction += sumOf(context, vae.reconstruction, rows);
  sums.kl += sumOf(context, vae.kl, rows);
  sums.examples += rows;
}

void drawNoise(const Context& context, uint64_t seed, int64_t step, int64_t rows, at::Tensor& noise) {
  const Draw draw{seed, Stream::kNoise, static_cast<uint64_t>(step)};
  const int64_t count = rows * noise.size(1);
  if (!context.tiled()) {
    const at::Tensor host = at::empty({rows, noise.size(1)}, c10::TensorOptions().dtype(c10::kFloat));
    fillNormal(draw, host.data_ptr<float>(), count);
    noise.narrow(0, 0, rows).copy_(host);
    return;
  }
  constexpr int64_t kRange = 512;
  float* to = noise.data_ptr<float>();
  context.pool->run((count + kRange - 1) / kRange, [&](int64_t tile) {
    const int64_t first = tile * kRange;
    fillNormal(draw, first, to + first, std::min(kRange, count - first));
  });
}

void loadBatch(const Context& context, fused::Vae& vae, const StepInput& input, uint64_t seed, int64_t step) {
  if (context.kernels != nullptr) {
    BatchSource source{input.data.values(), input.order, input.first, 0, seed, step};
    source.channels = vae.channels;
    source.isDrawn = input.data.isDrawn();
    if (input.clock) {
      source.state = input.clock->state();
      source.batchSize = input.clock->batchSize;
    }
    context.kernels->loadBatch(source, input.rows, vae.x.value, vae.noise);
    return;
  }
  input.data.gather(context, input.order, input.first, input.rows,
                    {seed, Stream::kBinary, static_cast<uint64_t>(step)}, vae.x);
  drawNoise(context, seed, step, input.rows, vae.noise);
}

void forwardAndBackward(const Context& context, fused::Vae& vae, const StepInput& input, uint64_t seed,
                        int64_t step) {
  loadBatch(context, vae, input, seed, step);
  vae.encode(input.rows);
  vae.sample(input.rows);
  vae.decode(input.rows);
  vae.reconstruct(input.rows, true);
  vae.backward(input.rows, input.clock ? KlWeight(input.clock->state(), input.clock->rows())
                                       : KlWeight(input.schedule.beta));
}

namespace {

UpdateOutcome applyGradients(const Context& context, Parameters& parameters,
                             const OptimizerSettings& settings, UpdatePoint point) {
  point.squares = sumOfSquares(context, parameters);
  if (!std::isfinite(point.squares)) return UpdateOutcome::kNonFinite;
  optimizerStep(context, parameters, settings, point);
  return UpdateOutcome::kDone;
}

}  // namespace

UpdateOutcome update(const Context& context, fused::Vae& vae, Parameters& parameters, int64_t rows,
                     const OptimizerSettings& settings, double learningRate, int64_t step,
                     const UpdateGroup& group) {
  UpdateOutcome outcome = UpdateOutcome::kDone;
  const bool fused = isElementwise(settings) &&
                     vae.updateWeights(parameters, rows, optimizerCoefficients(settings, learningRate, step));
  if (!fused) {
    vae.weightGradients(parameters, rows);
    accumulateGradients(context, parameters, group.batches == 0, group.last);
    if (!group.last) return UpdateOutcome::kPending;
    outcome = applyGradients(context, parameters, settings, {learningRate, step, group.batches + 1});
  }
  if (outcome == UpdateOutcome::kDone && settings.averageDecay > 0) {
    averageWeights(context, parameters, settings.averageDecay);
  }
  return outcome;
}

}  // namespace torchvae
