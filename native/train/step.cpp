#include "train/step.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/sum.h>

#include <algorithm>

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
  constexpr int64_t kRange = 1024;
  float* to = noise.data_ptr<float>();
  context.pool->run((count + kRange - 1) / kRange, [&](int64_t tile) {
    const int64_t first = tile * kRange;
    fillNormal(draw, first, to + first, std::min(kRange, count - first));
  });
}

void forwardAndBackward(const Context& context, fused::Vae& vae, const StepInput& input, uint64_t seed,
                        int64_t step) {
  input.data.gather(context, input.order, input.first, input.rows, vae.x);
  drawNoise(context, seed, step, input.rows, vae.noise);
  vae.encode(input.rows);
  vae.sample(input.rows);
  vae.decode(input.rows);
  vae.reconstruct(input.rows, true);
  vae.backward(input.rows, input.schedule.beta);
}

bool update(const Context& context, fused::Vae& vae, Parameters& parameters, int64_t rows,
            const OptimiserSettings& settings, double learningRate, int64_t step) {
  if (vae.updateWeights(parameters, rows, adamCoefficients(settings, learningRate, step))) return true;
  if (!vae.weightGradients(parameters, rows)) return false;
  adamStep(context, parameters, settings, learningRate, step);
  return true;
}

}  // namespace torchvae
