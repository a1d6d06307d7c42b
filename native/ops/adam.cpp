#include "ops/adam.h"

#include <ATen/ops/sqrt.h>

#include <algorithm>
#include <cmath>

namespace torchvae {

cpu::AdamCoefficients adamCoefficients(const OptimiserSettings& settings, double learningRate, int64_t step) {
  const auto t = static_cast<double>(step);
  return {static_cast<float>(1 - settings.beta1), static_cast<float>(1 - settings.beta2),
          static_cast<float>(learningRate / (1 - std::pow(settings.beta1, t))),
          static_cast<float>(1 / std::sqrt(1 - std::pow(settings.beta2, t))),
          static_cast<float>(settings.epsilon)};
}

void adamStep(const Context& context, Parameters& parameters, const OptimiserSettings& settings,
              double learningRate, int64_t step) {
  at::Tensor& m = parameters.firstMoments;
  at::Tensor& v = parameters.secondMoments;
  if (context.tiled()) {
    constexpr int64_t kRange = 8192;  // four streams of 32 KiB
    const cpu::AdamCoefficients coefficients = adamCoefficients(settings, learningRate, step);
    const int64_t count = parameters.size();
    const float* g = parameters.gradients.data_ptr<float>();
    float* first = m.data_ptr<float>();
    float* second = v.data_ptr<float>();
    float* value = parameters.values.data_ptr<float>();
    context.pool->run((count + kRange - 1) / kRange, [&](int64_t tile) {
      const int64_t from = tile * kRange;
      cpu::adamUpdate(coefficients, g + from, first + from, second + from, value + from,
                      std::min(kRange, count - from));
    });
    return;
  }
  const auto t = static_cast<double>(step);
  const double stepSize = learningRate / (1 - std::pow(settings.beta1, t));
  const double root = std::sqrt(1 - std::pow(settings.beta2, t));
  const at::Tensor& g = parameters.gradients;
  m.lerp_(g, 1 - settings.beta1);
  v.mul_(settings.beta2).addcmul_(g, g, 1 - settings.beta2);
  parameters.values.addcdiv_(m, v.sqrt().div_(root).add_(settings.epsilon), -stepSize);
}

}  // namespace torchvae
