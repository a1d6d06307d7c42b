// Every fused kernel on random numbers against a reference written out in double here or taken from the
// engine's CPU path, the graph executor's manners against the plain loop's, and what of the engine can be met
// in C++ alone. Prints "ok NAME" or "not ok NAME: why" for each.
#include <ATen/Parallel.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <c10/util/BFloat16.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <future>
#include <limits>
#include <map>
#include <numbers>
#include <random>
#include <sstream>

#include "cpu/dense.h"
#include "cpu/optimiser.h"
#include "data/resident.h"
#include "device.h"
#include "eval/frechet.h"
#include "fused/fused_model.h"
#include "ops/kernels.h"
#include "part.h"
#include "random/philox.h"

namespace torchvae {
namespace {

using kernels::ScheduleRow;
using kernels::StepState;

twin::TwinPart part;
Kernels kernelsOf(part);
std::mt19937_64 random(7);
int failures = 0;

struct Failure {
  std::string why;
};

#define EXPECT(condition)                                                                              \
  do {                                                                                                 \
    if (!(condition)) throw Failure{std::string(#condition) + " at line " + std::to_string(__LINE__)}; \
  } while (false)

void near(double came, double wanted, double tolerance, const char* what, int line) {
  if (std::abs(came - wanted) <= tolerance * std::max(1.0, std::abs(wanted))) return;
  std::ostringstream text;
  text << what << ": came " << came << ", wanted " << wanted << " at line " << line;
  throw Failure{text.str()};
}
#define NEAR(came, wanted, tolerance) near(came, wanted, tolerance, #came, __LINE__)

template <class F>
void test(const std::string& name, const F& body) {
  try {
    body();
    std::printf("ok %s\n", name.c_str());
  } catch (const Failure& failure) {
    ++failures;
    std::printf("not ok %s: %s\n", name.c_str(), failure.why.c_str());
  } catch (const std::exception& error) {
    ++failures;
    std::printf("not ok %s: %s\n", name.c_str(), error.what());
  }
  std::fflush(stdout);
}

constexpr c10::ScalarType kTypes[] = {c10::kFloat, c10::kBFloat16, c10::kDouble};

// One rounding of the type that activations have.
double tolerance(c10::ScalarType type) {
  return type == c10::kDouble ? 1e-12 : type == c10::kFloat ? 2e-6 : 5e-3;
}
c10::ScalarType lossType(c10::ScalarType type) {
  return type == c10::kDouble ? c10::kDouble : c10::kFloat;
}

at::Tensor normals(at::IntArrayRef sizes, c10::ScalarType type, double scale = 1) {
  const at::Tensor made = at::empty(sizes, c10::TensorOptions().dtype(c10::kDouble));
  std::normal_distribution<double> draw(0, scale);
  for (int64_t i = 0; i < made.numel(); ++i) made.data_ptr<double>()[i] = draw(random);
  return made.to(type);
}
at::Tensor blank(at::IntArrayRef sizes, c10::ScalarType type) {
  return at::full(sizes, -77, c10::TensorOptions().dtype(type));
}
// The values as doubles, in order.
std::vector<double> doubles(const at::Tensor& tensor) {
  const at::Tensor all = tensor.to(c10::kDouble).contiguous();
  return {all.data_ptr<double>(), all.data_ptr<double>() + all.numel()};
}

void testBatch() {
  for (const c10::ScalarType type : kTypes) {
    for (const bool bytes : {true, false}) {
      constexpr int64_t kRows = 9, kColumns = 131, kExamples = 40, kLatent = 7;
      at::Tensor data = normals({kExamples, kColumns}, c10::kFloat);
      if (bytes) data = data.abs().mul(60).clamp_max(255).to(c10::kByte);
      const at::Tensor order = at::arange(kExamples - 1, -1, -1, c10::TensorOptions().dtype(c10::kLong));
      const at::Tensor x = blank({kRows, kColumns}, type);
      const at::Tensor noise = blank({kRows, kLatent}, lossType(type));
      StepState state{};
      state.step = (int64_t{1} << 33) + 12345;
      state.batch = 2;
      kernelsOf.loadBatch({data, order, 0, 11, 99, 0, &state}, kRows, x, noise);
      const std::vector<double> from = doubles(data), to = doubles(x), drawn = doubles(noise);
      for (int64_t i = 0; i < kRows; ++i) {
        for (int64_t j = 0; j < kColumns; ++j) {
          const double wanted = from[(kExamples - 1 - 22 - i) * kColumns + j] / (bytes ? 255 : 1);
          NEAR(to[i * kColumns + j], wanted, tolerance(type));
        }
      }
      std::vector<float> wanted(kRows * kLatent);
      fillNormal({99, Stream::kNoise, static_cast<uint64_t>(state.step)}, wanted.data(), kRows * kLatent);
      for (size_t i = 0; i < wanted.size(); ++i) NEAR(drawn[i], wanted[i], 2e-6);
      // Drawn by the values' probabilities, with the CPU's numbers for the same step.
      const at::Tensor drawnX = blank({kRows, kColumns}, type);
      BatchSource probabilities{data, order, 0, 11, 99, 0, &state};
      probabilities.isDrawn = true;
      kernelsOf.loadBatch(probabilities, kRows, drawnX, noise);
      constexpr int64_t kNumbers = (kColumns + 3) / 4 * 4;
      std::vector<float> numbers(kRows * kNumbers);
      fillUniform({99, Stream::kBinary, static_cast<uint64_t>(state.step)}, numbers.data(), kRows * kNumbers);
      const std::vector<double> binary = doubles(drawnX);
      for (int64_t i = 0; i < kRows; ++i) {
        for (int64_t j = 0; j < kColumns; ++j) {
          const double chance = from[(kExamples - 1 - 22 - i) * kColumns + j] / (bytes ? 255 : 1);
          EXPECT(binary[i * kColumns + j] == (numbers[i * kNumbers + j] < chance ? 1 : 0));
        }
      }
      // The same by arguments, without a state.
      const at::Tensor again = blank({kRows, kLatent}, lossType(type));
      kernelsOf.loadBatch({data, order, 22, 0, 99, state.step, nullptr}, kRows, x, again);
      EXPECT(again.equal(noise));
    }
  }
}

void testNoiseIsStandardNormal() {
  constexpr int64_t kCount = 1 << 16;
  const at::Tensor noise = blank({kCount / 64, 64}, c10::kFloat);
  const at::Tensor x = blank({kCount / 64, 1}, c10::kFloat);
  const at::Tensor data = at::zeros({1, 1}),
                   order = at::zeros({kCount}, c10::TensorOptions().dtype(c10::kLong));
  kernelsOf.loadBatch({data, order, 0, 0, 5, 6, nullptr}, kCount / 64, x, noise);
  double sum = 0, squares = 0, fourths = 0;
  for (const double value : doubles(noise)) {
    sum += value;
    squares += value * value;
    fourths += value * value * value * value;
  }
  EXPECT(std::abs(sum / kCount) < 0.02);
  EXPECT(std::abs(squares / kCount - 1) < 0.03);
  EXPECT(std::abs(fourths / kCount - 3) < 0.2);
}

void testBf16Rounding() {
  std::vector<float> values{0,
                            -0.0f,
                            1,
                            1.00390625f,
                            1.01171875f,
                            3.4e38f,
                            -3.4e38f,
                            1e-40f,
                            std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()};
  for (int i = 0; i < 4000; ++i) {
    const auto bits = static_cast<uint32_t>(random());
    float value;
    std::memcpy(&value, &bits, sizeof value);
    values.push_back(value);
  }
  const auto count = static_cast<int64_t>(values.size());
  const at::Tensor data = at::empty({1, count});
  std::memcpy(data.data_ptr(), values.data(), values.size() * sizeof(float));
  const at::Tensor order = at::zeros({1}, c10::TensorOptions().dtype(c10::kLong));
  const at::Tensor x = blank({1, count}, c10::kBFloat16);
  kernelsOf.loadBatch({data, order, 0, 0, 0, 0, nullptr}, 1, x, at::zeros({1, 1}));
  const auto* came = static_cast<const c10::BFloat16*>(x.data_ptr());
  for (int64_t i = 0; i < count; ++i) {
    const c10::BFloat16 wanted(values[i]);
    EXPECT(std::isnan(values[i]) ? std::isnan(static_cast<float>(came[i])) : came[i].x == wanted.x);
  }
}

double activated(ActivationKind kind, double x) {
  switch (kind) {
    case ActivationKind::kRelu:
      return std::max(x, 0.0);
    case ActivationKind::kTanh:
      return std::tanh(x);
    case ActivationKind::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case ActivationKind::kElu:
      return x > 0 ? x : std::expm1(x);
    case ActivationKind::kSoftplus:
      return std::log1p(std::exp(x));
    default:
      return x;
  }
}

double slopeAt(ActivationKind kind, double x) {
  const double y = activated(kind, x);
  switch (kind) {
    case ActivationKind::kRelu:
      return x > 0 ? 1 : 0;
    case ActivationKind::kTanh:
      return 1 - y * y;
    case ActivationKind::kSigmoid:
      return y * (1 - y);
    case ActivationKind::kElu:
      return x > 0 ? 1 : std::exp(x);
    case ActivationKind::kSoftplus:
      return 1 / (1 + std::exp(-x));
    default:
      return 1;
  }
}

void testActivations() {
  constexpr int64_t kRows = 37, kColumns = 53;
  for (const c10::ScalarType type : kTypes) {
    for (const auto kind : {ActivationKind::kIdentity, ActivationKind::kRelu, ActivationKind::kTanh,
                            ActivationKind::kSigmoid, ActivationKind::kElu, ActivationKind::kSoftplus}) {
      const at::Tensor from = normals({kRows, kColumns}, type, 2), bias = normals({kColumns}, type);
      const at::Tensor y = blank({kRows, kColumns}, type), g = normals({kRows, kColumns}, type);
      const at::Tensor scaled = blank({kRows, kColumns}, type);
      kernelsOf.activate(kind, from, bias, y, kRows);
      kernelsOf.scaleBySlope(kind, y, g, scaled, kRows);
      const auto x = doubles(from), b = doubles(bias), came = doubles(y), slopes = doubles(scaled),
                 gs = doubles(g);
      for (int64_t i = 0; i < kRows * kColumns; ++i) {
        const double before = x[i] + b[i % kColumns];
        NEAR(came[i], activated(kind, before), tolerance(type));
        NEAR(slopes[i], gs[i] * slopeAt(kind, before), 4 * tolerance(type));
      }
    }
  }
}

void testLikelihoods() {
  constexpr int64_t kRows = 19, kColumns = 301;
  constexpr double kSigma = 0.7;
  for (const c10::ScalarType type : kTypes) {
    const at::Tensor x = normals({kRows, kColumns}, type).sigmoid(), y = normals({kRows, kColumns}, type, 6);
    y.data_ptr();
    y.select(0, 0).select(0, 0).fill_(60);
    y.select(0, 0).select(0, 1).fill_(-60);
    const auto xs = doubles(x), ys = doubles(y);
    enum class Kind { kBernoulli, kGaussian, kGaussianOfSigmoid };
    for (const Kind kind : {Kind::kBernoulli, Kind::kGaussian, Kind::kGaussianOfSigmoid}) {
      const bool isBernoulli = kind == Kind::kBernoulli, isSigmoid = kind == Kind::kGaussianOfSigmoid;
      const double normaliser = kColumns * std::log(kSigma * std::sqrt(2 * std::numbers::pi));
      const GaussianTerms terms{1 / (kSigma * kSigma), normaliser, isSigmoid};
      const at::Tensor loss = blank({kRows}, lossType(type)), gradient = blank({kRows, kColumns}, type);
      const at::Tensor alone = blank({kRows}, lossType(type));
      if (isBernoulli) {
        kernelsOf.bernoulli(x, y, kRows, loss, gradient);
        kernelsOf.bernoulli(x, y, kRows, alone, {});
      } else {
        kernelsOf.gaussian(terms, x, y, kRows, loss, gradient);
        kernelsOf.gaussian(terms, x, y, kRows, alone, {});
      }
      EXPECT(alone.equal(loss));
      const auto losses = doubles(loss), slopes = doubles(gradient);
      for (int64_t i = 0; i < kRows; ++i) {
        double wanted = 0;
        for (int64_t j = 0; j < kColumns; ++j) {
          const double a = xs[i * kColumns + j], b = ys[i * kColumns + j];
          double slope;
          if (isBernoulli) {
            wanted += std::max(b, 0.0) - a * b + std::log1p(std::exp(-std::abs(b)));
            slope = 1 / (1 + std::exp(-b)) - a;
          } else {
            const double mean = isSigmoid ? 1 / (1 + std::exp(-b)) : b;
            wanted += (a - mean) * (a - mean) / (2 * kSigma * kSigma) +
                      std::log(kSigma * std::sqrt(2 * std::numbers::pi));
            slope = (mean - a) / (kSigma * kSigma) * (isSigmoid ? mean * (1 - mean) : 1);
          }
          NEAR(slopes[i * kColumns + j], slope / kRows, tolerance(type));
        }
        NEAR(losses[i], wanted, type == c10::kDouble ? 1e-12 : 2e-6);
      }
    }
  }
}

void testPosterior() {
  constexpr int64_t kRows = 21;
  for (const c10::ScalarType type : kTypes) {
    for (const int64_t latent : {1, 7, 32, 45}) {
      const at::Tensor head = normals({kRows, 2 * latent}, type),
                       noise = normals({kRows, latent}, lossType(type));
      const at::Tensor dz = normals({kRows, latent}, type), z = blank({kRows, latent}, type);
      const at::Tensor kl = blank({kRows}, lossType(type)), gradient = blank({kRows, 2 * latent}, type);
      const std::vector<ScheduleRow> schedule{{0, 9, 0, 0}, {0, 0.3, 0, 0}};
      StepState state{};
      state.index = 1;
      kernelsOf.sample(head, noise, kRows, z, kl);
      kernelsOf.sampleBackward(head, noise, dz, KlWeight(&state, schedule.data()), kRows, gradient);
      const at::Tensor byValue = blank({kRows, 2 * latent}, type);
      kernelsOf.sampleBackward(head, noise, dz, 0.3, kRows, byValue);
      EXPECT(byValue.equal(gradient));
      const auto h = doubles(head), e = doubles(noise), d = doubles(dz), zs = doubles(z),
                 g = doubles(gradient);
      for (int64_t i = 0; i < kRows; ++i) {
        double wanted = 0;
        for (int64_t j = 0; j < latent; ++j) {
          const double mean = h[i * 2 * latent + j], logVariance = h[i * 2 * latent + latent + j];
          const double deviation = std::exp(logVariance / 2), scale = 0.3 / kRows;
          const int64_t k = i * latent + j;
          NEAR(zs[k], mean + deviation * e[k], tolerance(type));
          NEAR(g[i * 2 * latent + j], d[k] + scale * mean, tolerance(type));
          NEAR(g[i * 2 * latent + latent + j],
               0.5 * (d[k] * e[k] * deviation + scale * (std::exp(logVariance) - 1)), tolerance(type));
          wanted += 0.5 * (mean * mean + std::exp(logVariance) - 1 - logVariance);
        }
        NEAR(doubles(kl)[i], wanted, type == c10::kDouble ? 1e-12 : 2e-6);
      }
    }
  }
}

void testGradients() {
  for (const c10::ScalarType type : kTypes) {
    for (const int64_t rows : {1, 33, 700}) {
      // A weight over two blocks, then biases that fill a block, do not, and take more.
      const at::Tensor flat = normals({9216 + 16 + 32 + 112}, lossType(type));
      const at::Tensor narrow = normals({rows, 5}, type), wide = normals({rows, 100}, type);
      const std::vector<GradientPart> parts{{0, 9000, {}}, {9216, 5, narrow}, {9264, 100, wide}};
      const int64_t blocks = Kernels::gradientBlocks(parts);
      EXPECT(blocks == 2 + 1 + 4);
      const at::Tensor partials = blank({blocks}, c10::kDouble);
      const at::Tensor losses = normals({rows}, lossType(type)), kls = normals({rows}, lossType(type));
      StepState state{};
      state.step = 4;
      const auto before = doubles(flat);
      kernelsOf.finishGradients(parts, rows, flat, partials, losses, kls, {}, &state);
      const auto after = doubles(flat);
      double squares = 0;
      for (int64_t i = 0; i < 9000; ++i) {
        EXPECT(after[i] == before[i]);
        squares += before[i] * before[i];
      }
      for (const GradientPart& one : {parts[1], parts[2]}) {
        const auto columns = doubles(one.columns);
        for (int64_t j = 0; j < one.count; ++j) {
          double wanted = 0;
          for (int64_t i = 0; i < rows; ++i) wanted += columns[i * one.count + j];
          NEAR(after[one.offset + j], wanted, type == c10::kDouble ? 1e-12 : 1e-5);
          squares += wanted * wanted;
        }
      }
      EXPECT(after[9216 + 5] == before[9216 + 5]);
      double came = 0;
      for (const double value : doubles(partials)) came += value;
      NEAR(came, squares, 1e-5);
      double sum = 0;
      for (const double value : doubles(losses)) sum += value;
      NEAR(state.batchReconstruction, sum, 1e-12);
      NEAR(state.firstCorrection, 1 - std::pow(0.9, 5), 1e-14);
      NEAR(state.secondCorrection, 1 - std::pow(0.999, 5), 1e-14);
      const at::Tensor sums = at::zeros({2}, c10::TensorOptions().dtype(c10::kDouble));
      kernelsOf.addLosses(losses, kls, rows, sums);
      kernelsOf.addLosses(losses, kls, rows, sums);
      NEAR(sums.data_ptr<double>()[0], 2 * sum, 1e-12);
    }
  }
}

// torch.optim's rules for one weight.
struct Rule {
  OptimiserSettings o;
  double m = 0, v = 0;

  double update(double w, double g, double rate, double scale, int64_t t) {
    g *= scale;
    if (o.clipValue > 0) g = std::clamp(g, -o.clipValue, o.clipValue);
    g += o.l1 * (w > 0 ? 1 : w < 0 ? -1 : 0);
    if (o.kind == OptimiserKind::kAdamW) {
      w *= 1 - rate * o.weightDecay;
    } else {
      g += o.weightDecay * w;
    }
    const double first = 1 - std::pow(o.beta1, t), second = 1 - std::pow(o.beta2, t);
    switch (o.kind) {
      case OptimiserKind::kSgd:
        m = o.momentum * m + g;
        return w - rate * (o.nesterov ? g + o.momentum * m : m);
      case OptimiserKind::kAdam:
      case OptimiserKind::kAdamW:
        m = o.beta1 * m + (1 - o.beta1) * g;
        v = o.beta2 * v + (1 - o.beta2) * g * g;
        return w - rate / first * m / (std::sqrt(v / second) + o.epsilon);
      case OptimiserKind::kAdamax:
        m = o.beta1 * m + (1 - o.beta1) * g;
        v = std::max(o.beta2 * v, std::abs(g) + o.epsilon);
        return w - rate / first * m / v;
      case OptimiserKind::kRmsProp:
        v = o.beta2 * v + (1 - o.beta2) * g * g;
        m = o.momentum * m + g / (std::sqrt(v) + o.epsilon);
        return w - rate * m;
      case OptimiserKind::kAdaGrad:
        v += g * g;
        return w - rate * g / (std::sqrt(v) + o.epsilon);
    }
    return w;
  }
};

OptimiserSettings settingsOf(OptimiserKind kind) {
  OptimiserSettings settings;
  settings.kind = kind;
  return settings;
}

void testOptimisers() {
  std::vector<OptimiserSettings> all;
  for (const auto kind : {OptimiserKind::kSgd, OptimiserKind::kAdam, OptimiserKind::kAdamW,
                          OptimiserKind::kAdamax, OptimiserKind::kRmsProp, OptimiserKind::kAdaGrad}) {
    all.push_back(settingsOf(kind));
    all.push_back(settingsOf(kind));
    all.back().weightDecay = 0.1;
    all.back().l1 = 0.01;
    all.push_back(settingsOf(kind));
    all.back().momentum = 0.9;
    all.back().clipNorm = 1.5;
    all.push_back(settingsOf(kind));
    all.back().momentum = 0.8;
    all.back().nesterov = true;
    all.back().clipValue = 0.4;
  }
  constexpr int64_t kCount = 3000, kBatch = 8;
  for (const c10::ScalarType type : {c10::kFloat, c10::kDouble}) {
    for (const OptimiserSettings& settings : all) {
      const at::Tensor values = normals({kCount}, type), first = at::zeros_like(values),
                       second = at::zeros_like(values);
      const at::Tensor shadow = type == c10::kFloat ? blank({kCount}, c10::kBFloat16) : at::Tensor();
      const at::Tensor loss = at::zeros({kBatch}, values.options());
      std::vector<double> wanted = doubles(values);
      std::vector<Rule> rules(kCount, Rule{settings});
      std::vector<ScheduleRow> schedule;
      for (int i = 0; i < 5; ++i) schedule.push_back({0.01 / (i + 1), 1, 0, 1});
      StepState state{};
      for (int64_t t = 1; t <= 5; ++t) {
        const at::Tensor gradients = normals({kCount}, type, 0.05);
        const std::vector<GradientPart> parts{{0, kCount, {}}};
        const at::Tensor partials = blank({1}, c10::kDouble);
        kernelsOf.finishGradients(parts, kBatch, gradients, partials, loss, loss, settings, &state);
        kernelsOf.optimise(values, gradients, first, second, shadow, partials, 1, kBatch, settings, &state,
                           schedule.data());
        const auto g = doubles(gradients);
        double norm = 0;
        for (const double value : g) norm += value * value;
        norm = std::sqrt(norm);
        const double scale = settings.clipNorm > 0 ? std::min(1.0, settings.clipNorm / (norm + 1e-6)) : 1;
        for (size_t i = 0; i < g.size(); ++i)
          wanted[i] = rules[i].update(wanted[i], g[i], schedule[t - 1].learningRate, scale, t);
      }
      EXPECT(state.step == 5 && state.index == 5 && state.batch == 5 && state.examples == 5 * kBatch);
      EXPECT(state.stopped == 0 && state.ticket == 0);
      const auto came = doubles(values);
      for (size_t i = 0; i < came.size(); ++i) NEAR(came[i], wanted[i], type == c10::kDouble ? 1e-11 : 2e-5);
      if (shadow.defined()) EXPECT(shadow.equal(values.to(c10::kBFloat16)));
    }
  }
}

// One update with a bad gradient or a bad loss.
void testGuard(bool badLoss, bool skip) {
  OptimiserSettings settings;
  settings.skipNonFinite = skip;
  const at::Tensor values = normals({100}, c10::kFloat), gradients = normals({100}, c10::kFloat);
  const at::Tensor moments = at::zeros({2, 100}), loss = at::zeros({4}),
                   partials = at::zeros({1}, c10::kDouble);
  const at::Tensor before = values.clone();
  (badLoss ? loss : gradients).data_ptr<float>()[3] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<ScheduleRow> schedule(9, ScheduleRow{1e-3, 1, 0, 1});
  StepState state{};
  const auto step = [&] {
    kernelsOf.finishGradients({{0, 100, {}}}, 4, gradients, partials, loss, loss, settings, &state);
    kernelsOf.optimise(values, gradients, moments[0], moments[1], {}, partials, 1, 4, settings, &state,
                       schedule.data());
  };
  step();
  EXPECT(values.equal(before) && moments.abs().sum().item<float>() == 0);
  EXPECT(state.stopped == (skip ? 0 : 1) && state.step == (skip ? 1 : 0) && state.skipped == (skip ? 1 : 0));
  EXPECT(state.examples == 0 && state.reconstruction == 0);
  // What follows in the same graph is sound again, but a stopped stretch stays as it is.
  (badLoss ? loss : gradients).data_ptr<float>()[3] = 0;
  step();
  EXPECT(values.equal(before) != skip);
  EXPECT(state.step == (skip ? 2 : 0));
}

// ---- the executor

ModelSpec smallSpec() {
  ModelSpec spec;
  spec.inputShape = {30};
  spec.encoder.hidden = {24};
  spec.decoder.hidden = {24};
  spec.latentSize = 5;
  spec.posterior.type = "gaussian";
  spec.prior.type = "standard-normal";
  spec.likelihood.type = "bernoulli";
  spec.objective = {"elbo", {{"freeBits", 0}, {"hasCapacity", 0}}, {}, {}};
  return spec;
}

struct Run {
  TrainResult last;
  std::map<std::string, std::vector<float>> state;
  int64_t step = 0;
};

TrainChunk chunkOf(const std::shared_ptr<Dataset>& data, int64_t epoch, int64_t first, int64_t steps,
                   int64_t batch) {
  TrainChunk chunk;
  chunk.data = data;
  chunk.orderSeed = 3;
  chunk.epoch = epoch;
  chunk.firstStep = first;
  chunk.steps = steps;
  chunk.batchSize = batch;
  for (int64_t i = 0; i < steps; ++i)
    chunk.schedule.push_back(
        {1e-3 * static_cast<double>(1 + (first + i) % 5), 0.1 * static_cast<double>(epoch + 1)});
  return chunk;
}

// Two epochs of `rows` examples, in stretches of at most `stretch` steps.
Run train(VaeModel& model, const ModelSpec& spec, int64_t rows, int64_t batch, int64_t stretch, bool bytes) {
  std::mt19937 draw(5);
  const int64_t columns = spec.inputSize();
  std::vector<uint8_t> pixels(rows * columns);
  for (uint8_t& pixel : pixels) pixel = static_cast<uint8_t>(draw());
  std::vector<float> values(pixels.begin(), pixels.end());
  for (float& value : values) value /= 255;
  const void* from = bytes ? static_cast<const void*>(pixels.data()) : values.data();
  std::vector<int32_t> labels(rows);
  for (int64_t i = 0; i < rows; ++i) labels[i] = static_cast<int32_t>(i % 3);
  const auto data = std::make_shared<ResidentDataset>(c10::Device(c10::kCPU),
                                                      HostArray{from, bytes, rows, columns, labels.data()});
  Run run;
  const int64_t batches = (rows + batch - 1) / batch;
  for (int64_t epoch = 0; epoch < 2; ++epoch) {
    LossSums sums;
    for (int64_t first = 0; first < batches; first += stretch) {
      TrainChunk chunk = chunkOf(data, epoch, first, std::min(stretch, batches - first), batch);
      chunk.sums = sums;
      run.last = model.train(chunk);
      sums = run.last.sums;
      if (run.last.reason != StopReason::kDone || run.last.steps != chunk.steps)
        throw Failure{"stopped early"};
    }
  }
  run.step = model.step();
  for (const StateTensor& tensor : model.stateTensors())
    run.state[tensor.name] = model.readState(tensor.name);
  return run;
}

Run trained(const Context& context, int64_t rows, int64_t batch, int64_t stretch, bool bytes,
            const ModelSpec& spec = smallSpec()) {
  fused::FusedModel model(context, spec, 11);
  return train(model, spec, rows, batch, stretch, bytes);
}

void sameRun(const Run& a, const Run& b, double tolerance) {
  EXPECT(a.step == b.step && a.last.sums.examples == b.last.sums.examples);
  NEAR(a.last.sums.reconstruction, b.last.sums.reconstruction, tolerance);
  NEAR(a.last.sums.kl, b.last.sums.kl, tolerance);
  EXPECT(a.last.sums.terms.size() == b.last.sums.terms.size());
  for (size_t i = 0; i < b.last.sums.terms.size(); ++i) {
    NEAR(a.last.sums.terms[i], b.last.sums.terms[i], tolerance);
  }
  for (const auto& [name, wanted] : b.state) {
    const std::vector<float>& came = a.state.at(name);
    EXPECT(came.size() == wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) NEAR(came[i], wanted[i], 10 * tolerance);
  }
}

void testExecutor() {
  Pool pool(1);
  const c10::Device cpu(c10::kCPU);
  const Context loop{cpu, c10::kFloat, &pool}, graphs{cpu, c10::kFloat, nullptr, &kernelsOf};
  // 70 whole batches and one of 3; fewer examples than a batch; whole batches alone.
  for (const auto& [rows, batch] : {std::pair<int64_t, int64_t>{563, 8}, {5, 8}, {64, 8}}) {
    for (const bool bytes : {true, false}) {
      const Run wanted = trained(loop, rows, batch, 1000, bytes);
      const Run whole = trained(graphs, rows, batch, 1000, bytes);
      sameRun(whole, wanted, 1e-4);
      // Cut elsewhere: the same bits.
      sameRun(trained(graphs, rows, batch, 13, bytes), whole, 0);
      sameRun(trained(graphs, rows, batch, 1, bytes), whole, 0);
    }
  }
  const Context exact{cpu, c10::kDouble, &pool}, exactGraphs{cpu, c10::kDouble, nullptr, &kernelsOf};
  sameRun(trained(exactGraphs, 563, 8, 1000, true), trained(exact, 563, 8, 1000, true), 2e-6);
}

void testCaptures() {
  const Context graphs{c10::Device(c10::kCPU), c10::kFloat, nullptr, &kernelsOf};
  const int64_t captures = part.captures, replays = part.replays, launches = part.launches;
  trained(graphs, 563, 8, 1000, true);
  // Of 2 x 70 whole steps two warm up; 2 x 2 graphs of 25 and 2 x 20 - 2 of one follow. The two of the last
  // batch warm up.
  EXPECT(part.captures - captures == 2);
  EXPECT(part.replays - replays == 2 * 2 + (2 * 20 - 2));
  // Eight fused kernels beside the products: 2 x 71 steps.
  EXPECT(part.launches - launches == 2 * 71 * 8);
}

void testManyStepsOfOneChunk() {
  // More steps than the schedule's buffer holds.
  Pool pool(1);
  const c10::Device cpu(c10::kCPU);
  ModelSpec tiny = smallSpec();
  tiny.inputShape = {3};
  tiny.encoder.hidden = {4};
  tiny.decoder.hidden = {4};
  tiny.latentSize = 2;
  const Run wanted = trained({cpu, c10::kDouble, &pool}, 1100, 1, 100000, true, tiny);
  sameRun(trained({cpu, c10::kDouble, nullptr, &kernelsOf}, 1100, 1, 100000, true, tiny), wanted, 1e-5);
}

void testStops() {
  const c10::Device cpu(c10::kCPU);
  Pool pool(1);
  std::vector<float> values(400 * 30, 0.5f);
  const auto data = std::make_shared<ResidentDataset>(cpu, HostArray{values.data(), false, 400, 30});
  for (const bool onGraphs : {true, false}) {
    fused::FusedModel model(
        onGraphs ? Context{cpu, c10::kFloat, nullptr, &kernelsOf} : Context{cpu, c10::kFloat, &pool},
        smallSpec(), 1);
    TrainChunk chunk = chunkOf(data, 0, 0, 50, 8);
    chunk.abort = std::make_shared<std::atomic<bool>>(true);
    TrainResult result = model.train(chunk);
    EXPECT(result.reason == StopReason::kAborted && result.steps == 0 && model.step() == 0);
    chunk.abort->store(false);
    // A learning rate that no weights survive, at step 30: the guard sees it in a later step.
    chunk.schedule[30].learningRate = 1e30;
    result = model.train(chunk);
    EXPECT(result.reason == StopReason::kNonFinite);
    EXPECT(result.steps == 31 && model.step() == 31 && result.sums.examples == 31 * 8);
    EXPECT(std::isfinite(result.sums.reconstruction) && std::isfinite(result.sums.kl));
  }
}

// A step that is looked at, and one that is refused, tell what the loop's tell.
void testObserver() {
  const c10::Device cpu(c10::kCPU);
  Pool pool(1);
  std::vector<float> values(400 * 30, 0.5f);
  const auto data = std::make_shared<ResidentDataset>(cpu, HostArray{values.data(), false, 400, 30});
  std::vector<TrainResult> looked, refused;
  for (const bool onGraphs : {true, false}) {
    fused::FusedModel model(
        onGraphs ? Context{cpu, c10::kFloat, nullptr, &kernelsOf} : Context{cpu, c10::kFloat, &pool},
        smallSpec(), 1);
    TrainChunk chunk = chunkOf(data, 0, 0, 30, 8);
    chunk.observe = true;
    looked.push_back(model.train(chunk));
    chunk = chunkOf(data, 0, 30, 20, 8);
    chunk.schedule[10].learningRate = 1e30;
    refused.push_back(model.train(chunk));
  }
  EXPECT(looked[0].steps == 30 && looked[0].norms.size() == looked[1].norms.size());
  for (size_t i = 0; i < looked[0].norms.size(); ++i) {
    const TensorNorms &came = looked[0].norms[i], &wanted = looked[1].norms[i];
    EXPECT(came.name == wanted.name && wanted.gradient > 0 && wanted.update > 0);
    NEAR(came.gradient / wanted.gradient, 1, 1e-3);
    NEAR(came.update / wanted.update, 1, 1e-3);
    NEAR(came.weight / wanted.weight, 1, 1e-4);
  }
  EXPECT(refused[0].reason == StopReason::kNonFinite && refused[0].steps == refused[1].steps);
  EXPECT(!refused[0].faults.empty() && refused[0].faults == refused[1].faults);
}

// Squared error of a point: what the codes are is no matter, and large data overflow in the gradient first.
ModelSpec pointSpec() {
  ModelSpec spec = smallSpec();
  spec.posterior.type = "deterministic";
  spec.likelihood = {"squared-error", {}, {{"link", "identity"}}, {}};
  return spec;
}

// The last step of a chunk is to be looked at, and is refused: there is no update to tell of.
void testObserverOfRefused() {
  const c10::Device cpu(c10::kCPU);
  Pool pool(1);
  const Context loop{cpu, c10::kFloat, &pool}, graphs{cpu, c10::kFloat, nullptr, &kernelsOf};
  std::vector<float> values(400 * 30, 0.5f);
  const auto data = std::make_shared<ResidentDataset>(cpu, HostArray{values.data(), false, 400, 30});
  for (const Context& context : {loop, graphs}) {
    fused::FusedModel model(context, smallSpec(), 1);
    TrainChunk chunk = chunkOf(data, 0, 0, 20, 8);
    chunk.observe = true;
    chunk.optimiser.skipNonFinite = true;
    chunk.schedule[18].learningRate = 1e30;
    const TrainResult result = model.train(chunk);
    EXPECT(result.steps == 20 && result.skipped == 1 && result.norms.empty());
  }
  // The loss is finite, and the gradient's square is not.
  std::fill(values.begin(), values.end(), 1e12f);
  const auto large = std::make_shared<ResidentDataset>(cpu, HostArray{values.data(), false, 400, 30});
  VaeModel model(loop, pointSpec(), 1);
  TrainChunk chunk = chunkOf(large, 0, 0, 1, 8);
  chunk.observe = true;
  const TrainResult result = model.train(chunk);
  EXPECT(result.reason == StopReason::kNonFinite && result.norms.empty());
  EXPECT(!result.faults.empty() && result.faults.front().find(".") != std::string::npos);
}

// Running statistics have seen a batch before it is refused.
void testBuffersOfRefused() {
  const c10::Device cpu(c10::kCPU);
  Pool pool(1);
  ModelSpec spec = pointSpec();
  spec.encoder.norm = NormKind::kBatch;
  // A good batch, then one that overflows.
  std::vector<float> values(16 * 30, 3e38f);
  for (size_t i = 0; i < 8 * 30; ++i) values[i] = static_cast<float>(i % 7);
  const auto data = std::make_shared<ResidentDataset>(cpu, HostArray{values.data(), false, 16, 30});
  for (const bool skip : {false, true}) {
    VaeModel model({cpu, c10::kFloat, &pool}, spec, 1);
    TrainChunk chunk = chunkOf(data, 0, 0, 1, 8);
    chunk.shuffle = false;
    chunk.optimiser.skipNonFinite = skip;
    EXPECT(model.train(chunk).reason == StopReason::kDone);
    const auto before = model.readState("encoder.0.norm.running_var");
    chunk.firstStep = 1;
    const TrainResult result = model.train(chunk);
    EXPECT(result.skipped == (skip ? 1 : 0));
    EXPECT(result.reason == (skip ? StopReason::kDone : StopReason::kNonFinite));
    EXPECT(model.readState("encoder.0.norm.running_var") == before && before.front() != 1);
  }
}

// A graph reads labels where they lie: data whose values lie where another's did may have theirs elsewhere.
void testLabelsElsewhere() {
  const c10::Device cpu(c10::kCPU);
  const Context graphs{cpu, c10::kFloat, nullptr, &kernelsOf};
  const std::vector<float> values(4 * 30, 0.5f);
  const std::vector<int32_t> labels(4);
  const HostArray array{values.data(), false, 4, 30, labels.data()};
  const Parameters parameters;
  std::vector<at::Tensor> taken;
  for (int i = 0; i < 1000; ++i) {
    auto data = std::make_unique<ResidentDataset>(cpu, array);
    const GraphExecutor executor(graphs, nullptr, parameters, *data, 2, {}, 0);
    EXPECT(executor.fits(*data, 2, {}));
    const void* const place = data->values().const_data_ptr();
    const void* const ofLabels = data->labels().const_data_ptr();
    data.reset();
    taken.push_back(at::zeros({4}, c10::TensorOptions().dtype(c10::kLong)));
    const ResidentDataset other(cpu, array);
    if (other.values().const_data_ptr() != place || other.labels().const_data_ptr() == ofLabels) continue;
    EXPECT(!executor.fits(other, 2, {}));
    return;
  }
  throw Failure{"no place was given twice"};
}

// As many layers as a kernel takes ranges for, and one more, which goes to the general model.
void testDeepNetworks() {
  const Context graphs{c10::Device(c10::kCPU), c10::kFloat, nullptr, &kernelsOf};
  ModelSpec spec = smallSpec();
  spec.encoder.hidden.assign(15, 4);
  spec.decoder.hidden.assign(15, 4);
  EXPECT(fused::isFusable(graphs, spec));
  trained(graphs, 20, 8, 100, true, spec);
  spec.encoder.hidden.push_back(4);
  EXPECT(!fused::isFusable(graphs, spec));
  VaeModel general(graphs, spec, 1);
  train(general, spec, 20, 8, 100, true);
}

// Models on libtorch's derivatives: the device's counters, draws and update give what the loop's give.
void testGeneralModels() {
  Pool pool(1);
  const c10::Device cpu(c10::kCPU);
  const auto spec = [](const auto& change) {
    ModelSpec made = smallSpec();
    change(made);
    return made;
  };
  const std::pair<const char*, ModelSpec> all[] = {
      {"plain", smallSpec()},
      {"iwae", spec([](ModelSpec& s) {
         s.objective = {"iwae", {{"samples", 3}}, {}, {}};
       })},
      {"dip, which has further terms", spec([](ModelSpec& s) {
         s.objective = {"dip", {{"variant", 2}, {"offDiagonal", 2}, {"diagonal", 3}}, {}, {}};
       })},
      {"capacity, dropout, layer norm", spec([](ModelSpec& s) {
         s.objective.numbers["hasCapacity"] = 1;
         s.encoder.dropout = 0.2;
         s.encoder.norm = s.decoder.norm = NormKind::kLayer;
       })},
      {"relaxed categories", spec([](ModelSpec& s) {
         s.posterior = {"gumbel-softmax", {{"categories", 4}}, {}, {}};
         s.prior.type = "categorical";
       })},
      {"labels", spec([](ModelSpec& s) {
         s.condition = {3, true, true, false};
       })},
  };
  for (const auto& [name, wanted] : all) {
    try {
      VaeModel plain({cpu, c10::kDouble, &pool}, wanted, 11);
      VaeModel captured({cpu, c10::kDouble, nullptr, &kernelsOf}, wanted, 11);
      VaeModel cut({cpu, c10::kDouble, nullptr, &kernelsOf}, wanted, 11);
      const int64_t replays = part.replays;
      const Run whole = train(captured, wanted, 307, 8, 1000, true);
      EXPECT(part.replays > replays);
      sameRun(whole, train(plain, wanted, 307, 8, 1000, true), 2e-5);
      sameRun(train(cut, wanted, 307, 8, 7, true), whole, 0);
    } catch (const Failure& failure) {
      throw Failure{std::string(name) + ": " + failure.why};
    }
  }
}

// Convolutions of colour images have fused kernels on a device alone; the reference is the general model's
// derivatives by libtorch.
void testChannels() {
  Pool pool(1);
  const c10::Device cpu(c10::kCPU);
  ModelSpec spec = smallSpec();
  spec.inputShape = {3, 8, 6};
  spec.encoder.type = spec.decoder.type = "conv";
  spec.encoder.channels = {4, 5};
  spec.decoder.channels = {5, 4};
  const Context host{cpu, c10::kDouble, &pool}, device{cpu, c10::kDouble, nullptr, &kernelsOf};
  EXPECT(!fused::isFusable(host, spec) && fused::isFusable(device, spec));
  VaeModel plain(host, spec, 11);
  fused::FusedModel fast(device, spec, 11);
  for (const StateTensor& tensor : plain.stateTensors()) {
    const std::vector<float> values = plain.readState(tensor.name);
    fast.writeState(tensor.name, values.data(), static_cast<int64_t>(values.size()));
  }
  for (const bool bytes : {true, false}) {
    sameRun(train(fast, spec, 43, 8, 1000, bytes), train(plain, spec, 43, 8, 1000, bytes), 2e-6);
  }
  std::vector<float> x(5 * 3 * 8 * 6), noise(5 * 5, 0.5f);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) / 7;
  const HostArray images{x.data(), false, 5, 3 * 8 * 6};
  std::vector<float> came(2 * 5), wanted(2 * 5);
  fast.losses(images, {noise.data()}, came.data(), came.data() + 5);
  plain.losses(images, {noise.data()}, wanted.data(), wanted.data() + 5);
  for (size_t i = 0; i < came.size(); ++i) NEAR(came[i], wanted[i], 1e-5);
}

void testBf16Training() {
  const c10::Device cpu(c10::kCPU);
  Context bf16{cpu, c10::kFloat, nullptr, &kernelsOf};
  bf16.bf16 = true;
  const Run exact = trained({cpu, c10::kFloat, nullptr, &kernelsOf}, 563, 8, 1000, true);
  const Run rounded = trained(bf16, 563, 8, 1000, true);
  EXPECT(rounded.last.sums.reconstruction != exact.last.sums.reconstruction);
  NEAR(rounded.last.sums.reconstruction, exact.last.sums.reconstruction, 5e-3);
  NEAR(rounded.last.sums.kl, exact.last.sums.kl, 0.1);
}

// ---- the engine beside the kernels

void testPool() {
  // A pool that hangs ends the program.
  alarm(300);
  for (int i = 0; i < 2000; ++i) {
    Pool pool(3);
    if (i % 2 == 0) pool.run(8, [](int64_t) {});
  }
  alarm(0);
  Pool pool(3);
  for (int64_t bad = 0; bad < 300; ++bad) {
    bool threw = false;
    try {
      pool.run(300, [&](int64_t tile) {
        if (tile == bad) throw std::bad_alloc();
      });
    } catch (const std::bad_alloc&) {
      threw = true;
    }
    EXPECT(threw);
  }
  std::atomic<int64_t> sum{0};
  pool.run(300, [&](int64_t tile) { sum += tile; });
  EXPECT(sum == 300 * 299 / 2);
}

// What is not a number must reach the guard.
void testNanGoesThrough() {
  Pool pool(1);
  const std::vector<float> x{1, 2}, weights(2 * 40, 0.5f);
  std::vector<float> bias(40), y(40);
  bias[0] = bias[37] = std::numeric_limits<float>::quiet_NaN();
  for (const auto kind : {ActivationKind::kIdentity, ActivationKind::kRelu, ActivationKind::kTanh,
                          ActivationKind::kSigmoid, ActivationKind::kElu, ActivationKind::kSoftplus}) {
    Magnitude magnitude;
    cpu::denseForward(pool, {1, 2, 40, 1}, kind, x.data(), weights.data(), bias.data(), y.data(), nullptr,
                      magnitude);
    for (size_t i = 0; i < y.size(); ++i) EXPECT(std::isnan(y[i]) == (i == 0 || i == 37));
    EXPECT(!std::isfinite(magnitude.value()));
  }
}

void testSmallEpsilon() {
  cpu::OptimiserCoefficients c;
  c.keepFirst = 0.1f;
  c.keepSecond = 1e-3f;
  c.stepSize = 1e-3f;
  c.epsilon = 1e-40f;
  std::vector<float> gradient(32), first(32), second(32), value(32, 0.25f);
  gradient[0] = 1;
  cpu::optimiserUpdate(c, gradient.data(), first.data(), second.data(), value.data(), 32);
  EXPECT(std::isfinite(value[0]) && value[0] < 0.25f);
  for (size_t i = 1; i < value.size(); ++i) EXPECT(value[i] == 0.25f);
}

// A GPU that another process holds for itself: whoever asks for something on it is told, every time.
void testDeviceThatCannotBeOpened() {
  struct Held : twin::TwinPart {
    bool onHost() const override { return false; }
    void enterThread(int /*index*/) override { throw Error("ERR_DEVICE", "held"); }
  } held;
  ThreadedDevice device(c10::Device("cuda:0"), 1, &held);
  for (int i = 0; i < 2; ++i) {
    std::promise<std::string> code;
    device.submit([&] {
      try {
        const std::vector<float> values(30);
        device.createDataset({values.data(), false, 1, 30});
        code.set_value("");
      } catch (const Error& error) {
        code.set_value(error.code());
      }
    });
    EXPECT(code.get_future().get() == "ERR_DEVICE");
  }
}

// Noise that is given is z's: not what dropout leaves out, and one row for each draw of z.
void testGivenNoise() {
  const c10::Device cpu(c10::kCPU);
  Pool pool(1);
  ModelSpec spec = smallSpec();
  spec.encoder.dropout = 0.5;
  const std::vector<float> x(2 * 30, 0.5f), noise(2 * 5, 0.25f);
  const HostArray examples{x.data(), false, 2, 30};
  for (const int64_t width : {24, 5}) {
    spec.encoder.hidden = {width};
    VaeModel model({cpu, c10::kDouble, &pool}, spec, 1);
    const double loss = model.gradients(examples, {noise.data()}, {}).loss;
    const double same = model.gradients(examples, {noise.data()}, {}).loss;
    std::vector<float> other = noise;
    other[0] = 2;
    EXPECT(loss == same && loss != model.gradients(examples, {other.data()}, {}).loss);
  }
  spec.objective = {"iwae", {{"samples", 3}}, {}, {}};
  VaeModel model({cpu, c10::kDouble, &pool}, spec, 1);
  std::string code;
  try {
    model.gradients(examples, {noise.data()}, {});
  } catch (const Error& error) {
    code = error.code();
  }
  EXPECT(code == "ERR_SHAPE");
}

void testFrechetOfNan() {
  std::vector<float> a(8 * 2), b(8 * 2);
  for (size_t i = 0; i < a.size(); ++i) a[i] = b[i] = static_cast<float>(i % 5);
  b[3] = std::numeric_limits<float>::quiet_NaN();
  bool told = false;
  try {
    told = std::isnan(frechetDistance({a.data(), false, 8, 2}, {b.data(), false, 8, 2}, 0));
  } catch (const std::exception&) {
    told = true;
  }
  EXPECT(told);
}

}  // namespace
}  // namespace torchvae

int main() {
  using namespace torchvae;
  const c10::NoGradGuard noGrad;
  at::set_num_threads(1);
  test("a batch is gathered and scaled, its noise the engine's own", testBatch);
  test("noise is standard normal", testNoiseIsStandardNormal);
  test("bf16 rounds to nearest even", testBf16Rounding);
  test("activations and their slopes", testActivations);
  test("likelihoods and their gradients", testLikelihoods);
  test("the Gaussian posterior and its gradient", testPosterior);
  test("biases' gradients, sums of squares, sums of losses", testGradients);
  test("every optimiser", testOptimisers);
  test("a gradient that is not finite stops", [] { testGuard(false, false); });
  test("a loss that is not finite stops", [] { testGuard(true, false); });
  test("a gradient that is not finite is skipped where asked", [] { testGuard(false, true); });
  test("a loss that is not finite is skipped where asked", [] { testGuard(true, true); });
  test("the graph executor does what the loop does, however a run is cut", testExecutor);
  test("graphs are captured once and replayed", testCaptures);
  test("a stretch longer than the schedule's buffer", testManyStepsOfOneChunk);
  test("abort and the guard stop where the loop's do", testStops);
  test("norms of a step, and what was not finite", testObserver);
  test("norms are of updates alone", testObserverOfRefused);
  test("running statistics of a batch that is refused", testBuffersOfRefused);
  test("data whose labels lie elsewhere take other graphs", testLabelsElsewhere);
  test("deep networks", testDeepNetworks);
  test("models on libtorch's derivatives", testGeneralModels);
  test("convolutions of several channels", testChannels);
  test("bf16 training follows float32's", testBf16Training);
  test("a pool ends, and tells what its threads met", testPool);
  test("NaN goes through the CPU's activations", testNanGoesThrough);
  test("Adam with an epsilon below the normal numbers", testSmallEpsilon);
  test("a device that cannot be opened", testDeviceThatCannotBeOpened);
  test("noise that is given", testGivenNoise);
  test("the Frechet distance of NaN", testFrechetOfNan);
  return failures == 0 ? 0 : 1;
}
