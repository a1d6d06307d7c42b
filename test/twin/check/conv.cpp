// The gradients of convolutions' weights by the device's kernel, against sums written out in double.
#include "kernels/conv.h"

#include <ATen/ops/empty.h>

#include <random>
#include <vector>

#include "check.h"
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

// [small channels, kernel, kernel, large channels]
std::vector<double> wantedGradient(const cpu::ConvGeometry& g, int64_t rows, const std::vector<double>& small,
                                   const std::vector<double>& large) {
  std::vector<double> sums(static_cast<size_t>(g.smallChannels * g.patchSize()));
  for (int64_t pixel = 0; pixel < rows * g.places(); ++pixel) {
    const int64_t image = pixel / g.places(), top = pixel % g.places() / g.smallWidth * g.stride - g.padding,
                  left = pixel % g.smallWidth * g.stride - g.padding;
    for (int64_t tap = 0; tap < g.kernel * g.kernel; ++tap) {
      const int64_t y = top + tap / g.kernel, x = left + tap % g.kernel;
      if (y < 0 || y >= g.largeHeight || x < 0 || x >= g.largeWidth) continue;
      const int64_t from = ((image * g.largeHeight + y) * g.largeWidth + x) * g.largeChannels;
      for (int64_t s = 0; s < g.smallChannels; ++s) {
        for (int64_t c = 0; c < g.largeChannels; ++c) {
          sums[static_cast<size_t>((s * g.kernel * g.kernel + tap) * g.largeChannels + c)] +=
              small[static_cast<size_t>(pixel * g.smallChannels + s)] * large[static_cast<size_t>(from + c)];
        }
      }
    }
  }
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

}  // namespace

void checkConv() {
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
