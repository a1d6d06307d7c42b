#include "ops/adam.h"

#include <ATen/ops/sqrt.h>

#include <algorithm>
#include <cmath>

#include "cpu/vector.h"

namespace torchvae {
namespace {

struct Coefficients {
  float keepFirst, keepSecond;  // 1 - beta1, 1 - beta2
  float stepSize;               // learning rate / (1 - beta1^t)
  float inverseRoot;            // 1 / sqrt(1 - beta2^t)
  float epsilon;
};

TORCHVAE_VECTORISED void updateRange(const Coefficients& c, const float* __restrict gradient,
                                     float* __restrict first, float* __restrict second,
                                     float* __restrict value, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i];
    const float m = first[i] + (g - first[i]) * c.keepFirst;
    const float v = second[i] + (g * g - second[i]) * c.keepSecond;
    first[i] = m;
    second[i] = v;
    value[i] -= c.stepSize * m / (std::sqrt(v) * c.inverseRoot + c.epsilon);
  }
}

}  // namespace

void adamStep(const Context& context, Parameters& parameters, const OptimiserSettings& settings,
              int64_t step) {
  const auto t = static_cast<double>(step);
  const double stepSize = settings.learningRate / (1 - std::pow(settings.beta1, t));
  const double root = std::sqrt(1 - std::pow(settings.beta2, t));
  at::Tensor& m = parameters.firstMoments;
  at::Tensor& v = parameters.secondMoments;
  if (context.tiled()) {
    const Coefficients c{static_cast<float>(1 - settings.beta1), static_cast<float>(1 - settings.beta2),
                         static_cast<float>(stepSize), static_cast<float>(1 / root),
                         static_cast<float>(settings.epsilon)};
    constexpr int64_t kRange = 8192;  // four streams of 32 KiB
    const int64_t count = parameters.size();
    const float* g = parameters.gradients.data_ptr<float>();
    float* first = m.data_ptr<float>();
    float* second = v.data_ptr<float>();
    float* value = parameters.values.data_ptr<float>();
    context.pool->run((count + kRange - 1) / kRange, [&](int64_t tile) {
      const int64_t from = tile * kRange;
      updateRange(c, g + from, first + from, second + from, value + from, std::min(kRange, count - from));
    });
    return;
  }
  const at::Tensor& g = parameters.gradients;
  m.lerp_(g, 1 - settings.beta1);
  v.mul_(settings.beta2).addcmul_(g, g, 1 - settings.beta2);
  parameters.values.addcdiv_(m, v.sqrt().div_(root).add_(settings.epsilon), -stepSize);
}

}  // namespace torchvae
