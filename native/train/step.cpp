#include "train/step.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "random/philox.h"

namespace torchvae {

void drawNoise(const Context& context, uint64_t seed, int64_t step, int64_t rows, at::Tensor& noise) {
  const Draw draw{seed, Stream::kNoise, static_cast<uint64_t>(step)};
  const int64_t count = rows * noise.size(1);
  if (!context.tiled()) {
    const at::Tensor host = at::empty({rows, noise.size(1)}, c10::TensorOptions().dtype(c10::kFloat));
    fillNormal(draw, host.data_ptr<float>(), count);
    noise.narrow(0, 0, rows).copy_(host);
    return;
  }
  constexpr int64_t kRange = 1024;
  float* to = noise.data_ptr<float>();
  context.pool->run((count + kRange - 1) / kRange, [&](int64_t tile) {
    const int64_t first = tile * kRange;
    fillNormal(draw, first, to + first, std::min(kRange, count - first));
  });
}

void loadBatch(const Context& context, Vae& vae, const StepInput& input, uint64_t seed, int64_t step) {
  if (context.kernels != nullptr) {
    BatchSource source{input.data.values(), input.order, input.first, 0, seed, step, nullptr};
    if (input.clock) {
      source.state = input.clock->state;
      source.batchSize = input.clock->batchSize;
    }
    context.kernels->loadBatch(source, input.rows, vae.x.value, vae.noise);
    return;
  }
  input.data.gather(context, input.order, input.first, input.rows, vae.x);
  drawNoise(context, seed, step, input.rows, vae.noise);
}

void forwardAndBackward(const Context& context, Vae& vae, const StepInput& input, uint64_t seed,
                        int64_t step) {
  loadBatch(context, vae, input, seed, step);
  vae.encode(input.rows);
  vae.sample(input.rows);
  vae.decode(input.rows);
  vae.reconstruct(input.rows, true);
  vae.backward(input.rows, input.clock ? KlWeight(input.clock->state, input.clock->schedule)
                                       : KlWeight(input.schedule.beta));
}

bool update(const Context& context, Vae& vae, Parameters& parameters, int64_t rows,
            const OptimiserSettings& settings, double learningRate, int64_t step) {
  if (vae.updateWeights(parameters, rows, adamCoefficients(settings, learningRate, step))) return true;
  if (!vae.weightGradients(parameters, rows)) return false;
  adamStep(context, parameters, settings, learningRate, step);
  parameters.refreshShadow();
  return true;
}

}  // namespace torchvae
