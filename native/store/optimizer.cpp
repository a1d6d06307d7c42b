#include "store/optimizer.h"

#include <ATen/ops/maximum.h>
#include <ATen/ops/sign.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/square.h>
#include <ATen/ops/sum.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "base/memory.h"
#include "cpu/weights.h"

namespace torchvae {
namespace {

// Values that one tile of a pass over the flat buffers takes: four streams of 32 KiB.
constexpr int64_t kRange = 8192;

template <class Body>
void forRanges(const Context& context, int64_t count, const Body& body) {
  context.pool->run((count + kRange - 1) / kRange, [&](int64_t tile) {
    const int64_t from = tile * kRange;
    body(from, std::min(kRange, count - from));
  });
}

// torch.nn.utils.clip_grad_norm_ adds this to the norm before it divides.
constexpr double kNormGuard = 1e-6;

double biasCorrection(double beta, int64_t step) {
  return 1 - std::pow(beta, static_cast<double>(step));
}

bool hasBiasCorrection(OptimizerKind kind) {
  return kind == OptimizerKind::kAdam || kind == OptimizerKind::kAdamW || kind == OptimizerKind::kAdamax;
}

// parameters.gradients as the rule takes them, by plain ATen operations.
at::Tensor shapedGradients(const Parameters& parameters, const OptimizerSettings& settings,
                           const UpdatePoint& point) {
  at::Tensor g = parameters.gradients;
  if (point.batches > 1) g = g.div(static_cast<double>(point.batches));
  if (settings.clipNorm > 0) {
    const at::Tensor norm = g.square().sum().sqrt_();
    g = g.mul(norm.add_(kNormGuard).reciprocal_().mul_(settings.clipNorm).clamp_max_(1));
  }
  if (settings.clipValue > 0) g = g.clamp(-settings.clipValue, settings.clipValue);
  if (settings.weightDecay != 0 && settings.kind != OptimizerKind::kAdamW) {
    g = g.add(parameters.values, settings.weightDecay);
  }
  if (settings.l1 != 0) g = g.add(parameters.values.sign(), settings.l1);
  return g;
}

void plainStep(Parameters& parameters, const OptimizerSettings& settings, const UpdatePoint& point) {
  const at::Tensor g = shapedGradients(parameters, settings, point);
  at::Tensor& m = parameters.firstMoments;
  at::Tensor& v = parameters.secondMoments;
  at::Tensor& values = parameters.values;
  const double rate = point.learningRate;
  switch (settings.kind) {
    case OptimizerKind::kSgd:
      m.mul_(settings.momentum).add_(g);
      values.add_(settings.nesterov ? g.add(m, settings.momentum) : m, -rate);
      return;
    case OptimizerKind::kAdam:
    case OptimizerKind::kAdamW: {
      if (settings.kind == OptimizerKind::kAdamW) values.mul_(1 - rate * settings.weightDecay);
      m.lerp_(g, 1 - settings.beta1);
      v.mul_(settings.beta2).addcmul_(g, g, 1 - settings.beta2);
      const double root = std::sqrt(biasCorrection(settings.beta2, point.step));
      values.addcdiv_(m, v.sqrt().div_(root).add_(settings.epsilon),
                      -rate / biasCorrection(settings.beta1, point.step));
      return;
    }
    case OptimizerKind::kAdamax:
      m.lerp_(g, 1 - settings.beta1);
      at::maximum_out(v, v.mul_(settings.beta2), g.abs().add_(settings.epsilon));
      values.addcdiv_(m, v, -rate / biasCorrection(settings.beta1, point.step));
      return;
    case OptimizerKind::kRmsProp:
      v.mul_(settings.beta2).addcmul_(g, g, 1 - settings.beta2);
      m.mul_(settings.momentum).addcdiv_(g, v.sqrt().add_(settings.epsilon));
      values.add_(m, -rate);
      return;
    case OptimizerKind::kAdaGrad:
      v.addcmul_(g, g);
      values.addcdiv_(g, v.sqrt().add_(settings.epsilon), -rate);
      return;
  }
}

}  // namespace

cpu::OptimizerCoefficients optimizerCoefficients(const OptimizerSettings& settings, double learningRate,
                                                 int64_t step) {
  cpu::OptimizerCoefficients c;
  c.kind = settings.kind;
  if (settings.clipValue > 0) c.limit = static_cast<float>(settings.clipValue);
  if (settings.kind == OptimizerKind::kAdamW) {
    c.keepValue = static_cast<float>(1 - learningRate * settings.weightDecay);
  } else {
    c.decay = static_cast<float>(settings.weightDecay);
  }
  c.l1 = static_cast<float>(settings.l1);
  c.keepFirst = static_cast<float>(1 - settings.beta1);
  c.keepSecond = static_cast<float>(1 - settings.beta2);
  const double correction = hasBiasCorrection(settings.kind) ? biasCorrection(settings.beta1, step) : 1;
  c.stepSize = static_cast<float>(learningRate / correction);
  c.inverseRoot = static_cast<float>(1 / std::sqrt(biasCorrection(settings.beta2, step)));
  c.epsilon = static_cast<float>(settings.epsilon);
  c.momentum = static_cast<float>(settings.momentum);
  c.nesterov = settings.nesterov;
  return c;
}

double sumOfSquares(const Context& context, const Parameters& parameters) {
  if (!context.tiled()) return parameters.gradients.square().sum().item<double>();
  const int64_t count = parameters.size();
  const float* gradients = parameters.gradients.data_ptr<float>();
  std::vector<double> sums(static_cast<size_t>((count + kRange - 1) / kRange));
  forRanges(context, count, [&](int64_t from, int64_t length) {
    sums[static_cast<size_t>(from / kRange)] = cpu::sumSquares(gradients + from, 1, length, 0);
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

void accumulateGradients(const Context& context, Parameters& parameters, bool first, bool last) {
  if (first && last) return;
  at::Tensor& sum = parameters.accumulated;
  if (!sum.defined()) sum = zeroed(context, {parameters.size()});
  at::Tensor& to = last ? parameters.gradients : sum;
  const at::Tensor& from = last ? sum : parameters.gradients;
  if (!context.tiled()) {
    first ? to.copy_(from) : to.add_(from);
    return;
  }
  const float* terms = from.data_ptr<float>();
  float* total = to.data_ptr<float>();
  forRanges(context, parameters.size(), [&](int64_t begin, int64_t length) {
    if (first) {
      std::copy_n(terms + begin, length, total + begin);
    } else {
      for (int64_t i = begin; i < begin + length; ++i) total[i] += terms[i];
    }
  });
}

void optimizerStep(const Context& context, Parameters& parameters, const OptimizerSettings& settings,
                   const UpdatePoint& point) {
  if (!context.tiled()) {
    plainStep(parameters, settings, point);
    parameters.roundedStale = parameters.roundedWeights.defined();
    parameters.freshenRounded(context);
    return;
  }
  cpu::OptimizerCoefficients c = optimizerCoefficients(settings, point.learningRate, point.step);
  double scale = 1 / static_cast<double>(point.batches);
  if (settings.clipNorm > 0) {
    const double norm = std::sqrt(point.squares) * scale;
    scale *= std::min(1.0, settings.clipNorm / (norm + kNormGuard));
  }
  c.scale = static_cast<float>(scale);
  const float* gradients = parameters.gradients.data_ptr<float>();
  float* first = parameters.firstMoments.data_ptr<float>();
  float* second = parameters.secondMoments.data_ptr<float>();
  float* values = parameters.values.data_ptr<float>();
  forRanges(context, parameters.size(), [&](int64_t from, int64_t length) {
    cpu::optimizerUpdate(c, gradients + from, first + from, second + from, values + from, length);
  });
  parameters.roundedStale = context.bf16;
  parameters.freshenRounded(context);
}

bool updateAtOnce(const Context& context, Parameters& parameters,
                  const std::vector<cpu::WeightProduct>& products, const std::vector<FlatRange>& others,
                  const cpu::OptimizerCoefficients& coefficients) {
  const float* gradients = parameters.gradients.const_data_ptr<float>();
  std::vector<FlatRange> pieces;
  for (const auto [first, count] : others) {
    for (int64_t from = 0; from < count; from += kRange) {
      pieces.push_back({first + from, std::min(kRange, count - from)});
    }
  }
  const auto forPieces = [&](const auto& body) {
    context.pool->run(static_cast<int64_t>(pieces.size()),
                      [&](int64_t piece) { body(pieces[static_cast<size_t>(piece)]); });
  };
  std::atomic<bool> isFinite = true;
  forPieces([&](const FlatRange& piece) {
    const double squares = cpu::sumSquares(gradients + piece.first, 1, piece.count, 0);
    if (!std::isfinite(squares)) isFinite.store(false, std::memory_order_relaxed);
  });
  if (!isFinite) return false;
  cpu::OptimizerState state{parameters.values.mutable_data_ptr<float>(),
                            parameters.firstMoments.mutable_data_ptr<float>(),
                            parameters.secondMoments.mutable_data_ptr<float>()};
  if (context.bf16) {
    state.rounded = parameters.roundedWeights.mutable_data_ptr<cpu::Bf16>();
    state.paired = parameters.pairedWeights.mutable_data_ptr<cpu::Bf16>();
  }
  cpu::updateWeights(*context.pool, products, coefficients, state);
  forPieces([&](const FlatRange& piece) {
    const int64_t at = piece.first;
    cpu::optimizerUpdate(coefficients, gradients + at, state.first + at, state.second + at, state.values + at,
                         piece.count);
  });
  return true;
}

void averageWeights(const Context& context, Parameters& parameters, double decay) {
  at::Tensor& average = parameters.average;
  if (!parameters.averaged) {
    parameters.keepAverage(context);
    average.copy_(parameters.values);
    return;
  }
  if (!context.tiled()) {
    average.lerp_(parameters.values, 1 - decay);
    return;
  }
  const auto keep = static_cast<float>(1 - decay);
  const float* values = parameters.values.data_ptr<float>();
  float* to = average.data_ptr<float>();
  forRanges(context, parameters.size(), [&](int64_t from, int64_t length) {
    cpu::averageUpdate(keep, values + from, to + from, length);
  });
}

}  // namespace torchvae
