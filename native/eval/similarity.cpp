#include "eval/similarity.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "base/host.h"
#include "eval/points.h"

namespace torchvae {
namespace {

constexpr int64_t kWindow = 11;
constexpr double kSigma = 1.5;
// Wang et al. (2004): (0.01 L)^2 and (0.03 L)^2 for values that reach from 0 to L = 1.
constexpr double kOfMeans = 1e-4;
constexpr double kOfVariances = 9e-4;
// Values of a block: its windowed means, in float64, take about ten times 32 MB.
constexpr int64_t kBlockValues = 1 << 22;

// [extent, places]: the Gaussian window at each of the places where it lies wholly inside.
Tensor windows(int64_t extent) {
  std::vector<double> weights(kWindow);
  double sum = 0;
  for (int64_t i = 0; i < kWindow; ++i) {
    const auto distance = static_cast<double>(i - kWindow / 2);
    weights[static_cast<size_t>(i)] = std::exp(-distance * distance / (2 * kSigma * kSigma));
    sum += weights[static_cast<size_t>(i)];
  }
  const int64_t places = extent - kWindow + 1;
  const Tensor matrix = at::zeros({extent, places}, c10::TensorOptions().dtype(c10::kDouble));
  auto* values = matrix.data_ptr<double>();
  for (int64_t place = 0; place < places; ++place) {
    for (int64_t i = 0; i < kWindow; ++i) {
      values[(place + i) * places + place] = weights[static_cast<size_t>(i)] / sum;
    }
  }
  return matrix;
}

}  // namespace

std::vector<float> structuralSimilarity(const HostArray& a, const HostArray& b,
                                        const std::vector<int64_t>& shape) {
  const bool fits = shape.size() == 3 && std::min(shape[1], shape[2]) >= kWindow &&
                    shape[0] * shape[1] * shape[2] == a.columns && a.columns == b.columns && a.rows == b.rows;
  if (!fits) {
    throw Error("ERR_SHAPE", "Expected as many images in both sets, at least 11 x 11 pixels each");
  }
  const Tensor down = windows(shape[1]).t();
  const Tensor across = windows(shape[2]);
  const auto mean = [&](const Tensor& x) { return down.matmul(x.matmul(across)); };
  std::vector<float> found(static_cast<size_t>(a.rows));
  const int64_t block = std::max<int64_t>(1, kBlockValues / a.columns);
  const auto imagesOf = [&](const HostArray& array, int64_t first, int64_t rows) {
    return pointsOf(array, first, rows).view({rows, shape[0], shape[1], shape[2]});
  };
  forParts(a.rows, block, [&](int64_t first, int64_t rows) {
    const Tensor x = imagesOf(a, first, rows);
    const Tensor y = imagesOf(b, first, rows);
    const Tensor meanX = mean(x);
    const Tensor meanY = mean(y);
    const Tensor products = meanX * meanY;
    const Tensor squares = meanX.square() + meanY.square();
    const Tensor covariances = mean(x * y) - products;
    const Tensor variances = mean(x.square() + y.square()) - squares;
    const Tensor similarity = (products * 2 + kOfMeans) * (covariances * 2 + kOfVariances) /
                              ((squares + kOfMeans) * (variances + kOfVariances));
    copyOut(similarity.mean({1, 2, 3}), found.data() + first);
  });
  return found;
}

}  // namespace torchvae
