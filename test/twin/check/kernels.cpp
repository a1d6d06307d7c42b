// Every fused kernel on random numbers against a reference written out in double here or taken from the
// engine's CPU path.
#include "kernels/kernels.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <random>

#include "check.h"
#include "part.h"
#include "random/philox.h"

namespace torchvae::check {
namespace {

twin::TwinPart part;
Kernels kernelsOf(part);
std::mt19937_64 random(7);

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
      // Labels stand behind the values of x and behind z.
      at::Tensor labels = at::arange(kExamples, order.options()).remainder(3);
      const at::Tensor labeled = blank({kRows, kColumns + 3}, type), z = blank({kRows, kLatent + 3}, type);
      BatchSource withLabels{data, order, 0, 11, 99, 0, &state};
      withLabels.labels = labels;
      kernelsOf.loadBatch(withLabels, kRows, labeled, noise, z);
      EXPECT(labeled.narrow(1, 0, kColumns).equal(x));
      for (int64_t i = 0; i < kRows; ++i) {
        const int64_t label = (kExamples - 1 - 22 - i) % 3;
        for (int64_t c = 0; c < 3; ++c) {
          EXPECT(doubles(labeled[i][kColumns + c])[0] == (c == label ? 1 : 0));
          EXPECT(doubles(z[i][kLatent + c])[0] == (c == label ? 1 : 0));
        }
        EXPECT(z[i].narrow(0, 0, kLatent).eq(-77).all().item<bool>());
      }
    }
  }
}

// An image's channels move together, with zeros behind them.
void testImages() {
  constexpr int64_t kRows = 4, kPixels = 300;
  for (const c10::ScalarType type : kTypes) {
    for (const auto& [used, stored] : {std::pair<int64_t, int64_t>{3, 8}, {9, 16}}) {
      for (const bool bytes : {true, false}) {
        at::Tensor data = normals({kRows, used * kPixels}, c10::kFloat).abs().mul(0.3);
        if (bytes) data = data.mul(255).clamp_max(255).to(c10::kByte);
        const at::Tensor order = at::arange(kRows, c10::TensorOptions().dtype(c10::kLong));
        const at::Tensor x = blank({kRows, kPixels * stored}, type), plain = blank(data.sizes(), type);
        const at::Tensor noise = blank({kRows, 1}, lossType(type));
        for (const bool isDrawn : {true, false}) {
          BatchSource source{data, order, 0, 0, 5, 6, nullptr};
          source.isDrawn = isDrawn;
          kernelsOf.loadBatch(source, kRows, plain, noise);
          source.channels = used;
          source.storedChannels = stored;
          kernelsOf.loadBatch(source, kRows, x, noise);
          const at::Tensor images = x.view({kRows, kPixels, stored});
          EXPECT(images.narrow(2, 0, used).equal(plain.view({kRows, used, kPixels}).transpose(1, 2)));
          EXPECT(images.narrow(2, used, stored - used).eq(0).all().item<bool>());
        }
      }
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
    case ActivationKind::kLeakyRelu:
      return std::max(x, 0.01 * x);
    case ActivationKind::kGelu:
      return x / 2 * (1 + std::erf(x / std::numbers::sqrt2));
    case ActivationKind::kSilu:
      return x / (1 + std::exp(-x));
    default:
      return x;
  }
}

// By central differences, of fifth order.
double slopeAt(ActivationKind kind, double x) {
  if (kind == ActivationKind::kRelu) return x > 0 ? 1 : 0;
  if (kind == ActivationKind::kLeakyRelu) return x > 0 ? 1 : 0.01;
  constexpr double h = 1e-3;
  const auto f = [&](double at) { return activated(kind, at); };
  return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h);
}

// Columns that are taken one by one, and in vectors.
void testActivations(int64_t columns) {
  constexpr int64_t kRows = 37;
  for (const c10::ScalarType type : kTypes) {
    for (const auto kind : kActivations) {
      const at::Tensor from = normals({kRows, columns}, type, 2), bias = normals({columns}, type);
      const at::Tensor y = blank({kRows, columns}, type), g = normals({kRows, columns}, type);
      const at::Tensor scaled = blank({kRows, columns}, type);
      const bool keepsSlope = kind == ActivationKind::kGelu || kind == ActivationKind::kSilu;
      const at::Tensor slope = keepsSlope ? blank({kRows, columns}, type) : at::Tensor();
      kernelsOf.activate(kind, from, bias, y, slope, kRows);
      ColumnSums none;
      kernelsOf.scaleBySlope(kind, keepsSlope ? slope : y, g, scaled, kRows, none);
      const auto x = doubles(from), b = doubles(bias), came = doubles(y), slopes = doubles(scaled),
                 gs = doubles(g);
      for (int64_t i = 0; i < kRows * columns; ++i) {
        const double before = x[i] + b[i % columns];
        NEAR(came[i], activated(kind, before), tolerance(type));
        // The slope of elu has a kink at 0, which the differences straddle.
        const bool isSmooth = kind != ActivationKind::kElu || std::abs(before) > 4e-3;
        if (isSmooth) NEAR(slopes[i], gs[i] * slopeAt(kind, before), std::max(4 * tolerance(type), 1e-9));
      }
    }
  }
}

// The sums of a gradient's channels, which one kernel leaves in parts.
void testColumnSums() {
  for (const c10::ScalarType type : kTypes) {
    // Single columns; vectors that fill a block unevenly; more of them than a block has threads.
    for (const int64_t channels : {1, 5, 24, 64, 2056}) {
      for (const int64_t pixels : {1, 7, 300}) {
        if (channels * pixels > 100000) continue;
        constexpr int64_t kRows = 13;
        const at::Tensor kept = normals({kRows, pixels * channels}, type);
        const at::Tensor gradient = normals({kRows, pixels * channels}, type);
        const at::Tensor made = blank({kRows, pixels * channels}, type);
        ColumnSums sums{blank({Kernels::kMostSums, channels}, lossType(type))};
        kernelsOf.scaleBySlope(ActivationKind::kTanh, kept, gradient, made, kRows, sums);
        EXPECT(sums.lines >= 1 && sums.lines <= Kernels::kMostSums);
        const auto came = doubles(sums.parts.narrow(0, 0, sums.lines).to(c10::kDouble).sum(0));
        const at::Tensor y = kept.to(c10::kDouble);
        const auto wanted =
            doubles(gradient.to(c10::kDouble).mul(y.square().neg().add(1)).view({-1, channels}).sum(0));
        for (int64_t c = 0; c < channels; ++c) NEAR(came[c], wanted[c], type == c10::kDouble ? 1e-11 : 1e-4);
        // What lies behind the lines is left alone.
        EXPECT(sums.parts.narrow(0, sums.lines, Kernels::kMostSums - sums.lines).eq(-77).all().item<bool>());
      }
    }
  }
}

// Values of a row, of which there are `channels` to a pixel with a bias, the first `used` of them to be
// counted; or none where `channels` is 0.
void testLikelihoods(int64_t columns, int64_t channels, int64_t used) {
  constexpr int64_t kRows = 19;
  constexpr double kSigma = 0.7;
  const auto counted = static_cast<double>(channels > 0 ? columns / channels * used : columns);
  for (const c10::ScalarType type : kTypes) {
    const at::Tensor x = normals({kRows, columns}, type).sigmoid(), y = normals({kRows, columns}, type, 6);
    y.data_ptr();
    y.select(0, 0).select(0, 0).fill_(60);
    y.select(0, 0).select(0, 1).fill_(-60);
    const at::Tensor bias = channels > 0 ? normals({channels}, type) : at::Tensor();
    const auto xs = doubles(x);
    auto ys = doubles(y);
    if (channels > 0) {
      const auto biases = doubles(bias);
      for (size_t i = 0; i < ys.size(); ++i) ys[i] += biases[i % channels];
    }
    struct Case {
      LikelihoodKind kind;
      bool sigmoid;
    };
    for (const Case& one :
         {Case{LikelihoodKind::kBernoulli, false}, Case{LikelihoodKind::kContinuousBernoulli, false},
          Case{LikelihoodKind::kGaussian, false}, Case{LikelihoodKind::kGaussian, true},
          Case{LikelihoodKind::kLaplace, false}, Case{LikelihoodKind::kLaplace, true}}) {
      // -log p of one value, from the definition; derivatives by differences.
      const auto definition = [&](double a, double b) {
        const double cross = std::max(b, 0.0) - a * b + std::log1p(std::exp(-std::abs(b)));
        const double mean = one.sigmoid ? 1 / (1 + std::exp(-b)) : b;
        switch (one.kind) {
          case LikelihoodKind::kBernoulli:
            return cross;
          case LikelihoodKind::kContinuousBernoulli:
            return cross - std::log(b == 0 ? 2 : b / std::tanh(b / 2));
          case LikelihoodKind::kGaussian:
            return (a - mean) * (a - mean) / (2 * kSigma * kSigma) +
                   std::log(kSigma * std::sqrt(2 * std::numbers::pi));
          default:
            return std::abs(a - mean) / kSigma + std::log(2 * kSigma);
        }
      };
      const bool isGaussian = one.kind == LikelihoodKind::kGaussian,
                 isLaplace = one.kind == LikelihoodKind::kLaplace;
      cpu::LikelihoodTerms terms{1, 0, one.sigmoid};
      if (isGaussian) {
        terms.precision = 1 / (kSigma * kSigma);
        terms.constant = counted * std::log(kSigma * std::sqrt(2 * std::numbers::pi));
      } else if (isLaplace) {
        terms.precision = 1 / kSigma;
        terms.constant = counted * std::log(2 * kSigma);
      }
      const at::Tensor loss = blank({kRows}, lossType(type)), gradient = blank({kRows, columns}, type);
      const at::Tensor alone = blank({kRows}, lossType(type));
      ColumnSums none, sums;
      if (channels > 0) sums.parts = blank({kRows, channels}, lossType(type));
      kernelsOf.likelihood(one.kind, terms, {x, y, bias, used, loss, gradient}, kRows, sums);
      kernelsOf.likelihood(one.kind, terms, {x, y, bias, used, alone, {}}, kRows, none);
      EXPECT(alone.equal(loss));
      if (channels > 0) {
        const auto came = doubles(sums.parts.to(c10::kDouble).sum(0));
        const auto wanted = doubles(gradient.to(c10::kDouble).view({-1, channels}).sum(0));
        for (int64_t c = 0; c < channels; ++c) NEAR(came[c], wanted[c], 4 * tolerance(type));
      }
      const auto losses = doubles(loss), slopes = doubles(gradient);
      for (int64_t i = 0; i < kRows; ++i) {
        double wanted = 0;
        for (int64_t j = 0; j < columns; ++j) {
          if (channels > 0 && j % channels >= used) {
            EXPECT(slopes[i * columns + j] == 0);
            continue;
          }
          const double a = xs[i * columns + j], b = ys[i * columns + j];
          wanted += definition(a, b);
          constexpr double h = 1e-4;
          const double mean = one.sigmoid ? 1 / (1 + std::exp(-b)) : b;
          if (isLaplace && std::abs(mean - a) < 2 * h) continue;  // the corner
          const double slope = (definition(a, b + h) - definition(a, b - h)) / (2 * h);
          NEAR(slopes[i * columns + j], slope / kRows, std::max(tolerance(type), 1e-8));
        }
        NEAR(losses[i], wanted, type == c10::kDouble ? 1e-11 : 1e-5);
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
      // Rows of z and of its gradient may be longer than z: a label stands behind it.
      const int64_t stride = latent + latent % 3;
      const at::Tensor dz = normals({kRows, stride}, type), z = blank({kRows, stride}, type);
      const at::Tensor factors = normals({latent}, lossType(type));
      const at::Tensor kl = blank({kRows}, lossType(type)), gradient = blank({kRows, 2 * latent}, type);
      const std::vector<ScheduleRow> schedule{{0, 9, 0, 0}, {0, 0.3, 0, 0}};
      StepState state{};
      state.index = 1;
      kernelsOf.sample(head, noise, kRows, z, kl);
      kernelsOf.sampleBackward(head, noise, dz, KlWeight(&state, schedule.data()), {}, kRows, gradient);
      const at::Tensor byValue = blank({kRows, 2 * latent}, type);
      kernelsOf.sampleBackward(head, noise, dz, 0.3, at::ones_like(factors), kRows, byValue);
      EXPECT(byValue.equal(gradient));
      kernelsOf.sampleBackward(head, noise, dz, 0.3, factors, kRows, byValue);
      const auto f = doubles(factors), weighed = doubles(byValue);
      const auto h = doubles(head), e = doubles(noise), d = doubles(dz), zs = doubles(z),
                 g = doubles(gradient);
      for (int64_t i = 0; i < kRows; ++i) {
        double wanted = 0;
        for (int64_t j = 0; j < latent; ++j) {
          const double mean = h[i * 2 * latent + j], logVariance = h[i * 2 * latent + latent + j];
          const double deviation = std::exp(logVariance / 2), scale = 0.3 / kRows;
          const int64_t k = i * latent + j, at = i * stride + j;
          NEAR(zs[at], mean + deviation * e[k], tolerance(type));
          NEAR(g[i * 2 * latent + j], d[at] + scale * mean, tolerance(type));
          NEAR(weighed[i * 2 * latent + j], d[at] + scale * f[j] * mean, tolerance(type));
          NEAR(g[i * 2 * latent + latent + j],
               0.5 * (d[at] * e[k] * deviation + scale * (std::exp(logVariance) - 1)), tolerance(type));
          wanted += 0.5 * (mean * mean + std::exp(logVariance) - 1 - logVariance);
        }
        NEAR(doubles(kl)[i], wanted, type == c10::kDouble ? 1e-12 : 2e-6);
      }
    }
  }
}

// Free bits and capacity, beside their definitions.
void testKlCost() {
  for (const c10::ScalarType type : kTypes) {
    for (const int64_t latent : {1, 7, 33, 70}) {
      for (const int64_t rows : {1, 32, 129}) {
        const at::Tensor head = normals({rows, 2 * latent}, type), cost = blank({1}, c10::kDouble);
        const at::Tensor factors = blank({latent}, lossType(type));
        const auto h = doubles(head);
        std::vector<double> means(latent);
        double total = 0;
        for (int64_t j = 0; j < latent; ++j) {
          for (int64_t i = 0; i < rows; ++i) {
            const double mean = h[i * 2 * latent + j], logVariance = h[i * 2 * latent + latent + j];
            means[j] += 0.5 * (mean * mean + std::exp(logVariance) - 1 - logVariance) / rows;
          }
          total += means[j];
        }
        const double freeBits = total / latent;
        kernelsOf.klCost({freeBits, false}, head, 1.0, rows, factors, cost);
        double wanted = 0;
        const auto f = doubles(factors);
        for (int64_t j = 0; j < latent; ++j) {
          wanted += std::max(means[j], freeBits);
          if (std::abs(means[j] - freeBits) > 1e-4) EXPECT(f[j] == (means[j] > freeBits ? 1 : 0));
        }
        NEAR(doubles(cost)[0], wanted, type == c10::kDouble ? 1e-12 : 2e-6);
        const std::vector<ScheduleRow> schedule{{0, 1, 9e9, 0}, {0, 1, total - 2, 0}};
        StepState state{};
        for (const int64_t index : {0, 1}) {
          state.index = index;
          kernelsOf.klCost({0, true}, head, KlWeight(&state, schedule.data()), rows, factors, cost);
          NEAR(doubles(cost)[0], index == 0 ? 9e9 - total : 2, 1e-5);
          for (const double factor : doubles(factors)) EXPECT(factor == (index == 0 ? -1 : 1));
        }
      }
    }
  }
}

void testGradients() {
  for (const c10::ScalarType type : kTypes) {
    for (const int64_t rows : {1, 33, 700}) {
      // A weight over two blocks, then biases that fill a block, do not, and take more; a weight's gradient
      // that lies elsewhere.
      const at::Tensor flat = normals({9216 + 16 + 32 + 112 + 8304}, lossType(type));
      const at::Tensor narrow = normals({rows, 5}, type), wide = normals({rows, 100}, lossType(type));
      const at::Tensor elsewhere = normals({8300}, type);
      const std::vector<GradientPart> parts{
          {0, 9000, {}}, {9216, 5, narrow}, {9264, 100, wide}, {9376, 8300, elsewhere}};
      const int64_t blocks = Kernels::gradientBlocks(parts);
      EXPECT(blocks == 2 + 1 + 4 + 2);
      const at::Tensor partials = blank({blocks}, c10::kDouble);
      const at::Tensor losses = normals({rows}, lossType(type)), kls = normals({rows}, lossType(type));
      StepState state{};
      state.step = 4;
      const auto before = doubles(flat);
      const std::vector<ScheduleRow> schedule{{1e-3, 0.25, 0, 0}};
      kernelsOf.finishGradients(parts, rows, flat, partials, {losses, kls, {}, {}}, {}, &state,
                                schedule.data());
      const auto after = doubles(flat);
      double squares = 0;
      for (int64_t i = 0; i < 9000; ++i) {
        EXPECT(after[i] == before[i]);
        squares += before[i] * before[i];
      }
      for (const GradientPart& one : {parts[1], parts[2]}) {
        const auto columns = doubles(one.from);
        for (int64_t j = 0; j < one.count; ++j) {
          double wanted = 0;
          for (int64_t i = 0; i < rows; ++i) wanted += columns[i * one.count + j];
          NEAR(after[one.offset + j], wanted, type == c10::kDouble ? 1e-12 : 1e-5);
          squares += wanted * wanted;
        }
      }
      EXPECT(after[9216 + 5] == before[9216 + 5]);
      const auto copied = doubles(elsewhere);
      for (size_t i = 0; i < copied.size(); ++i) {
        EXPECT(after[9376 + i] == copied[i]);
        squares += copied[i] * copied[i];
      }
      double came = 0;
      for (const double value : doubles(partials)) came += value;
      NEAR(came, squares, 1e-5);
      double sum = 0;
      for (const double value : doubles(losses)) sum += value;
      NEAR(state.batchReconstruction, sum, 1e-12);
      NEAR(state.stepSize, 1e-3 / (1 - std::pow(0.9, 5)), 1e-14);
      NEAR(state.inverseRoot, 1 / std::sqrt(1 - std::pow(0.999, 5)), 1e-14);
      double divergence = 0;
      for (const double value : doubles(kls)) divergence += value;
      NEAR(state.batchKl, divergence, 1e-12);
      NEAR(state.batchLoss, sum + 0.25 * divergence, 1e-12);
      const at::Tensor cost = at::full({1}, 3.5, c10::TensorOptions().dtype(c10::kDouble));
      kernelsOf.finishGradients(parts, rows, flat, partials, {losses, kls, {}, cost}, {}, &state,
                                schedule.data());
      NEAR(state.batchLoss, sum + 0.25 * 3.5 * rows, 1e-12);
      const at::Tensor loss = at::full({1}, 1.5, losses.options());
      kernelsOf.finishGradients(parts, rows, flat, partials, {losses, kls, loss, {}}, {}, &state,
                                schedule.data());
      NEAR(state.batchLoss, 1.5 * rows, 1e-12);
    }
  }
}

// torch.optim's rules for one weight.
struct Rule {
  OptimizerSettings o;
  double m = 0, v = 0;

  double update(double w, double g, double rate, double scale, int64_t t) {
    g *= scale;
    if (o.clipValue > 0) g = std::clamp(g, -o.clipValue, o.clipValue);
    g += o.l1 * (w > 0 ? 1 : w < 0 ? -1 : 0);
    if (o.kind == OptimizerKind::kAdamW) {
      w *= 1 - rate * o.weightDecay;
    } else {
      g += o.weightDecay * w;
    }
    const double first = 1 - std::pow(o.beta1, t), second = 1 - std::pow(o.beta2, t);
    switch (o.kind) {
      case OptimizerKind::kSgd:
        m = o.momentum * m + g;
        return w - rate * (o.nesterov ? g + o.momentum * m : m);
      case OptimizerKind::kAdam:
      case OptimizerKind::kAdamW:
        m = o.beta1 * m + (1 - o.beta1) * g;
        v = o.beta2 * v + (1 - o.beta2) * g * g;
        return w - rate / first * m / (std::sqrt(v / second) + o.epsilon);
      case OptimizerKind::kAdamax:
        m = o.beta1 * m + (1 - o.beta1) * g;
        v = std::max(o.beta2 * v, std::abs(g) + o.epsilon);
        return w - rate / first * m / v;
      case OptimizerKind::kRmsProp:
        v = o.beta2 * v + (1 - o.beta2) * g * g;
        m = o.momentum * m + g / (std::sqrt(v) + o.epsilon);
        return w - rate * m;
      case OptimizerKind::kAdaGrad:
        v += g * g;
        return w - rate * g / (std::sqrt(v) + o.epsilon);
    }
    return w;
  }
};

OptimizerSettings settingsOf(OptimizerKind kind) {
  OptimizerSettings settings;
  settings.kind = kind;
  return settings;
}

void testOptimizers() {
  std::vector<OptimizerSettings> all;
  for (const auto kind : {OptimizerKind::kSgd, OptimizerKind::kAdam, OptimizerKind::kAdamW,
                          OptimizerKind::kAdamax, OptimizerKind::kRmsProp, OptimizerKind::kAdaGrad}) {
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
    for (const OptimizerSettings& settings : all) {
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
        kernelsOf.finishGradients(parts, kBatch, gradients, partials, {loss, loss, {}, {}}, settings, &state,
                                  schedule.data());
        kernelsOf.optimize({values, gradients, first, second, shadow, partials}, 1, kBatch, settings, &state,
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
  OptimizerSettings settings;
  settings.skipNonFinite = skip;
  const at::Tensor values = normals({100}, c10::kFloat), gradients = normals({100}, c10::kFloat);
  const at::Tensor moments = at::zeros({2, 100}), loss = at::zeros({4}),
                   partials = at::zeros({1}, c10::kDouble);
  const at::Tensor before = values.clone();
  (badLoss ? loss : gradients).data_ptr<float>()[3] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<ScheduleRow> schedule(9, ScheduleRow{1e-3, 1, 0, 1});
  StepState state{};
  const auto step = [&] {
    kernelsOf.finishGradients({{0, 100, {}}}, 4, gradients, partials, {loss, loss, {}, {}}, settings, &state,
                              schedule.data());
    kernelsOf.optimize({values, gradients, moments[0], moments[1], {}, partials}, 1, 4, settings, &state,
                       schedule.data());
  };
  step();
  EXPECT(values.equal(before) && moments.abs().sum().item<float>() == 0);
  EXPECT(state.stopped == (skip ? 0 : 1) && state.step == (skip ? 1 : 0) && state.skipped == (skip ? 1 : 0));
  EXPECT(state.examples == 0 && state.reconstruction == 0);
  // What follows in the same graph is sound again, but a stopped chunk stays as it is.
  (badLoss ? loss : gradients).data_ptr<float>()[3] = 0;
  step();
  EXPECT(values.equal(before) != skip);
  EXPECT(state.step == (skip ? 2 : 0));
}

}  // namespace

void checkKernels() {
  test("a batch is gathered and scaled, its noise the engine's own", testBatch);
  test("images lie pixel by pixel", testImages);
  test("noise is standard normal", testNoiseIsStandardNormal);
  test("bf16 rounds to nearest even", testBf16Rounding);
  test("activations and their slopes", [] { testActivations(53); });
  test("activations in vectors", [] { testActivations(88); });
  test("sums of a gradient's channels", testColumnSums);
  test("likelihoods and their gradients", [] { testLikelihoods(301, 0, 0); });
  test("likelihoods in vectors", [] { testLikelihoods(304, 0, 0); });
  test("likelihoods of images, with the bias that they miss", [] {
    testLikelihoods(301, 7, 7);
    testLikelihoods(301, 1, 1);
    testLikelihoods(304, 8, 3);
    testLikelihoods(2080, 2080, 2077);
  });
  test("the Gaussian posterior and its gradient", testPosterior);
  test("free bits and capacity", testKlCost);
  test("biases' gradients, sums of squares, sums of losses", testGradients);
  test("every optimizer", testOptimizers);
  test("a gradient that is not finite stops", [] { testGuard(false, false); });
  test("a loss that is not finite stops", [] { testGuard(true, false); });
  test("a gradient that is not finite is skipped where asked", [] { testGuard(false, true); });
  test("a loss that is not finite is skipped where asked", [] { testGuard(true, true); });
}

}  // namespace torchvae::check
