#include "eval/manifold.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/cdist.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/host.h"
#include "eval/points.h"

namespace torchvae {
namespace {

// Rows of a block of distances: with 50,000 points, 400 MB.
constexpr int64_t kBlock = 1024;

// The distance of each point to its k-th nearest neighbor in the set, [n].
Tensor radii(const Tensor& points, int64_t neighbors) {
  std::vector<Tensor> found;
  forParts(points.size(0), kBlock, [&](int64_t first, int64_t rows) {
    // The first is the point itself.
    const Tensor distances = at::cdist(points.narrow(0, first, rows), points);
    found.push_back(std::get<0>(distances.kthvalue(neighbors + 1, 1)));
  });
  return at::cat(found);
}

}  // namespace

ManifoldScores manifoldScores(const HostArray& real, const HostArray& generated, int64_t components,
                              int64_t neighbors) {
  const int64_t fewest = std::min(real.rows, generated.rows);
  if (real.columns != generated.columns || neighbors < 1 || fewest <= neighbors) {
    throw Error("ERR_SHAPE", "Expected two sets of points of one size, each of more than " +
                                 std::to_string(neighbors) + " points");
  }
  Tensor x = pointsOf(real);
  Tensor y = pointsOf(generated);
  projectBoth(x, y, components);
  const Tensor ofReal = radii(x, neighbors);
  const Tensor ofGenerated = radii(y, neighbors);
  const Tensor balls = at::zeros({y.size(0)}, x.options());  // real ones that each generated point lies in
  double recalled = 0;
  double covered = 0;
  forParts(x.size(0), kBlock, [&](int64_t first, int64_t rows) {
    const Tensor distances = at::cdist(x.narrow(0, first, rows), y);
    const Tensor inReal = distances.le(ofReal.narrow(0, first, rows).unsqueeze(1));
    balls.add_(inReal.sum(0));
    covered += inReal.any(1).sum().item<double>();
    recalled += distances.le(ofGenerated.unsqueeze(0)).any(1).sum().item<double>();
  });
  const auto realCount = static_cast<double>(x.size(0));
  const auto generatedCount = static_cast<double>(y.size(0));
  ManifoldScores scores;
  scores.precision = balls.gt(0).sum().item<double>() / generatedCount;
  scores.recall = recalled / realCount;
  scores.density = balls.sum().item<double>() / (static_cast<double>(neighbors) * generatedCount);
  scores.coverage = covered / realCount;
  return scores;
}

}  // namespace torchvae
