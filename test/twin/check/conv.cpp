// Convolutions by the device's kernels, their weights' gradients and their images, against sums written out
// in double.
#include "kernels/conv.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "check.h"
#include "kernels/conv_images.h"
#include "part.h"

namespace torchvae::check {
namespace {

twin::TwinPart part;

at::Tensor normals(std::mt19937_64& random, at::IntArrayRef sizes, c10::ScalarType type) {
  const at::Tensor made = at::empty(sizes, c10::TensorOptions().dtype(c10::kDouble));
  std::normal_distribution<double> draw;
  for (int64_t i = 0; i < made.numel(); ++i) made.data_ptr<double>()[i] = draw(random);
  return made.to(type);
}

std::vector<double> doubles(const at::Tensor& tensor) {
  const at::Tensor all = tensor.to(c10::kDouble).contiguous();
  return {all.data_ptr<double>(), all.data_ptr<double>() + all.numel()};
}

// Calls body(small pixel, large pixel, tap) for each pixel of `rows` images and what it sees.
template <class Body>
void forTaps(const cpu::ConvGeometry& g, int64_t rows, const Body& body) {
  for (int64_t pixel = 0; pixel < rows * g.places(); ++pixel) {
    const int64_t image = pixel / g.places(), top = pixel % g.places() / g.smallWidth * g.stride - g.padding,
                  left = pixel % g.smallWidth * g.stride - g.padding;
    for (int64_t tap = 0; tap < g.kernel * g.kernel; ++tap) {
      const int64_t y = top + tap / g.kernel, x = left + tap % g.kernel;
      if (y < 0 || y >= g.largeHeight || x < 0 || x >= g.largeWidth) continue;
      body(pixel, (image * g.largeHeight + y) * g.largeWidth + x, tap);
    }
  }
}

// [small channels, kernel, kernel, large channels]
std::vector<double> wantedGradient(const cpu::ConvGeometry& g, int64_t rows, const std::vector<double>& small,
                                   const std::vector<double>& large) {
  std::vector<double> sums(static_cast<size_t>(g.smallChannels * g.patchSize()));
  forTaps(g, rows, [&](int64_t smallPixel, int64_t largePixel, int64_t tap) {
    for (int64_t s = 0; s < g.smallChannels; ++s) {
      for (int64_t c = 0; c < g.largeChannels; ++c) {
        sums[static_cast<size_t>((s * g.kernel * g.kernel + tap) * g.largeChannels + c)] +=
            small[static_cast<size_t>(smallPixel * g.smallChannels + s)] *
            large[static_cast<size_t>(largePixel * g.largeChannels + c)];
      }
    }
  });
  return sums;
}

void testGeometry(const cpu::ConvGeometry& g, kernels::Precision precision, int64_t rows) {
  std::mt19937_64 random(11);
  const c10::ScalarType type = precision == kernels::kBf16 ? c10::kBFloat16 : c10::kFloat;
  const at::Tensor small = normals(random, {rows, g.smallSize()}, type);
  const at::Tensor large = normals(random, {rows, g.largeSize()}, type);
  EXPECT(ConvWeights::serves(precision, g));
  ConvWeights weights(part, precision, g, rows, c10::TensorOptions().dtype(c10::kFloat));
  const auto gradient = [&](int64_t images) {
    weights.gradient(small, large, images);
    return doubles(weights.parts(images).sum(0));
  };
  const std::vector<double> wanted = wantedGradient(g, rows, doubles(small), doubles(large));
  const std::vector<double> came = gradient(rows);
  // Of factors that are of bf16 already the products are exact.
  const double tolerance = precision == kernels::kTf32 ? 2e-2 : 2e-5;
  for (size_t i = 0; i < wanted.size(); ++i) NEAR(came[i], wanted[i], tolerance);
  // A last batch that has fewer images.
  if (rows < 2) return;
  const int64_t fewer = rows - 1;
  const std::vector<double> less = wantedGradient(g, fewer, doubles(small), doubles(large));
  const std::vector<double> cut = gradient(fewer);
  for (size_t i = 0; i < less.size(); ++i) NEAR(cut[i], less[i], tolerance);
}

// The product of images with weights [small channels, taps, large channels].
std::vector<double> wantedImages(const cpu::ConvGeometry& g, bool isUp, int64_t rows,
                                 const std::vector<double>& images, const std::vector<double>& weights) {
  std::vector<double> sums(static_cast<size_t>(rows * (isUp ? g.largeSize() : g.smallSize())));
  forTaps(g, rows, [&](int64_t small, int64_t large, int64_t tap) {
    for (int64_t s = 0; s < g.smallChannels; ++s) {
      for (int64_t c = 0; c < g.largeChannels; ++c) {
        const auto atSmall = static_cast<size_t>(small * g.smallChannels + s);
        const auto atLarge = static_cast<size_t>(large * g.largeChannels + c);
        const double weight =
            weights[static_cast<size_t>((s * g.kernel * g.kernel + tap) * g.largeChannels + c)];
        if (isUp) {
          sums[atLarge] += images[atSmall] * weight;
        } else {
          sums[atSmall] += images[atLarge] * weight;
        }
      }
    }
  });
  return sums;
}

void testImages(const cpu::ConvGeometry& g, kernels::Precision precision, int64_t rows, bool isUp) {
  std::mt19937_64 random(13);
  const c10::ScalarType type = precision == kernels::kBf16 ? c10::kBFloat16 : c10::kFloat;
  const auto images = normals(random, {rows, isUp ? g.smallSize() : g.largeSize()}, type);
  const auto weights = normals(random, {g.smallChannels, g.patchSize()}, type);
  const int64_t channels = isUp ? g.largeChannels : g.smallChannels;
  const int64_t size = isUp ? g.largeSize() : g.smallSize();
  const at::Tensor bias = normals(random, {channels}, type), kept = normals(random, {rows, size}, type);
  EXPECT(ConvImages::serves(precision, g));
  ConvImages conv(part, precision, g, isUp ? ConvImages::Way::kUp : ConvImages::Way::kDown);
  const std::vector<double> product = wantedImages(g, isUp, rows, doubles(images), doubles(weights));
  const std::vector<double> biases = doubles(bias), keptValues = doubles(kept);
  // Of factors that are of bf16 already the products are exact; what is made is rounded.
  const auto depth = static_cast<double>(isUp ? g.kernel * g.kernel * g.smallChannels : g.patchSize());
  const double tolerance = precision == kernels::kTf32   ? 4e-2
                           : precision == kernels::kBf16 ? 1.0 / 128
                                                         : 1e-5 * (1 + std::sqrt(depth));
  const auto expectNear = [&](const at::Tensor& came, int64_t images, const auto& wanted) {
    const std::vector<double> values = doubles(came);
    for (size_t i = 0; i < static_cast<size_t>(images * size); ++i)
      NEAR(values[i], wanted(i), tolerance * std::max(1.0, std::abs(wanted(i))));
    // Nothing is written beyond the images.
    for (auto i = static_cast<size_t>(images * size); i < values.size(); ++i) EXPECT(values[i] == 7);
  };
  const auto empty = [&] { return at::full({rows, size}, 7, images.options()); };
  const auto sumOf = [&](size_t i) { return product[i] + biases[i % static_cast<size_t>(channels)]; };

  // An image fewer, too.
  for (int64_t count = rows; count > 0 && count > rows - 2; --count) {
    const at::Tensor raw = empty(), made = empty(), tanh = empty(), gelu = empty(), slope = empty();
    conv.make(images, weights, {}, ActivationKind::kIdentity, count, raw, {});
    expectNear(raw, count, [&](size_t i) { return product[i]; });
    conv.make(images, weights, bias, ActivationKind::kRelu, count, made, {});
    expectNear(made, count, [&](size_t i) { return std::max(0.0, sumOf(i)); });
    conv.make(images, weights, bias, ActivationKind::kGelu, count, gelu, slope);
    const auto normalCdf = [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); };
    expectNear(gelu, count, [&](size_t i) { return sumOf(i) * normalCdf(sumOf(i)); });
    expectNear(slope, count, [&](size_t i) {
      const double x = sumOf(i);
      return normalCdf(x) + x * std::exp(-x * x / 2) / std::sqrt(2 * 3.14159265358979323846);
    });

    ColumnSums sums{at::zeros({Kernels::kMostSums, channels}, c10::TensorOptions().dtype(c10::kFloat)), 0};
    conv.makeGradient(images, weights, ActivationKind::kTanh, kept, count, tanh, sums);
    const auto gradientOf = [&](size_t i) { return product[i] * (1 - keptValues[i] * keptValues[i]); };
    expectNear(tanh, count, gradientOf);
    const std::vector<double> came = doubles(sums.parts.narrow(0, 0, sums.lines).sum(0));
    std::vector<double> wanted(came.size());
    double largest = 1;
    for (size_t i = 0; i < static_cast<size_t>(count * size); ++i) {
      wanted[i % wanted.size()] += gradientOf(i);
      largest = std::max(largest, std::abs(gradientOf(i)));
    }
    for (size_t c = 0; c < wanted.size(); ++c)
      NEAR(came[c], wanted[c], tolerance * largest * std::sqrt(static_cast<double>(count * size)));
    ColumnSums none;
    const at::Tensor identity = empty();
    conv.makeGradient(images, weights, ActivationKind::kIdentity, kept, count, identity, none);
    expectNear(identity, count, [&](size_t i) { return product[i]; });
  }
}

void testBothWays(const cpu::ConvGeometry& g, kernels::Precision precision, int64_t rows) {
  testImages(g, precision, rows, false);
  testImages(g, precision, rows, true);
}

}  // namespace

void checkConv() {
  test("images of one channel", [] {
    testBothWays({13, 11, 1, 7, 6, 32, 3, 2, 1}, kernels::kFloat32, 5);
    testBothWays({8, 8, 1, 4, 4, 36, 4, 2, 1}, kernels::kFloat32, 1);
  });
  test("images of three channels", [] {
    testBothWays({9, 9, 3, 5, 5, 12, 3, 2, 1}, kernels::kFloat32, 3);
    testBothWays({9, 7, 3, 9, 7, 10, 5, 1, 2}, kernels::kTf32, 2);
  });
  test("images of many channels", [] {
    testBothWays({7, 5, 32, 4, 3, 64, 3, 2, 1}, kernels::kFloat32, 9);
    testBothWays({4, 4, 64, 2, 2, 72, 4, 2, 1}, kernels::kFloat32, 2);
    testBothWays({5, 4, 17, 3, 2, 33, 2, 2, 0}, kernels::kFloat32, 3);
  });
  test("images in tf32 and bf16", [] {
    testBothWays({16, 12, 4, 8, 6, 32, 4, 2, 1}, kernels::kTf32, 4);
    testBothWays({16, 12, 8, 8, 6, 32, 4, 2, 1}, kernels::kBf16, 4);
    testBothWays({10, 10, 16, 5, 5, 40, 3, 2, 1}, kernels::kBf16, 3);
  });
  test("images that are more tiles than there are lines of blocks", [] {
    testBothWays({64, 64, 1, 32, 32, 8, 3, 2, 1}, kernels::kFloat32, 40);
  });
  test("images by every tile", [] {
    // 64 x 64 and 128 x 64, beside the narrow ones above.
    testBothWays({28, 28, 36, 14, 14, 40, 3, 2, 1}, kernels::kFloat32, 22);
    testBothWays({28, 28, 4, 28, 28, 36, 1, 1, 0}, kernels::kFloat32, 22);
  });
  test("weights of convolutions of one channel", [] {
    testGeometry({13, 11, 1, 7, 6, 32, 3, 2, 1}, kernels::kFloat32, 5);
    testGeometry({8, 8, 1, 4, 4, 36, 4, 2, 1}, kernels::kFloat32, 1);
  });
  test("weights of convolutions of three channels", [] {
    testGeometry({9, 9, 3, 5, 5, 12, 3, 2, 1}, kernels::kFloat32, 3);
    testGeometry({9, 9, 3, 9, 9, 12, 5, 1, 2}, kernels::kTf32, 2);
  });
  test("weights of convolutions of many channels", [] {
    testGeometry({7, 5, 32, 4, 3, 64, 3, 2, 1}, kernels::kFloat32, 9);
    testGeometry({4, 4, 64, 2, 2, 72, 4, 2, 1}, kernels::kFloat32, 2);
  });
  test("weights of convolutions in tf32 and bf16", [] {
    testGeometry({16, 12, 4, 8, 6, 32, 4, 2, 1}, kernels::kTf32, 4);
    testGeometry({16, 12, 8, 8, 6, 32, 4, 2, 1}, kernels::kBf16, 4);
    testGeometry({10, 10, 16, 5, 5, 40, 3, 2, 1}, kernels::kBf16, 3);
  });
  test("convolutions that are left to the library", [] {
    EXPECT(!ConvWeights::serves(kernels::kFloat32, {8, 8, 4, 4, 4, 30, 4, 2, 1}));
    EXPECT(!ConvWeights::serves(kernels::kBf16, {8, 8, 32, 4, 4, 64, 4, 2, 1}));
    EXPECT(!ConvWeights::serves(kernels::kBf16, {8, 8, 3, 4, 4, 64, 4, 2, 1}));
  });
}

}  // namespace torchvae::check
