#include "eval/frechet.h"

#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_eigvalsh.h>

#include "eval/points.h"

namespace torchvae {
namespace {

// Of a symmetric matrix without negative eigenvalues, but for rounding.
Tensor squareRoot(const Tensor& matrix) {
  const auto [values, vectors] = at::linalg_eigh(matrix);
  return (vectors * values.clamp_min(0).sqrt()).matmul(vectors.t());
}

}  // namespace

double frechetDistance(const HostArray& a, const HostArray& b, int64_t components) {
  if (a.columns != b.columns || a.rows < 2 || b.rows < 2) {
    throw Error("ERR_SHAPE", "Expected two sets of at least two points of one size");
  }
  Tensor x = pointsOf(a);
  Tensor y = pointsOf(b);
  projectBoth(x, y, components);
  const Tensor ofX = covariance(x);
  const Tensor ofY = covariance(y);
  // tr (X Y)^(1/2) = tr (X^(1/2) Y X^(1/2))^(1/2), which is of a symmetric matrix.
  const Tensor root = squareRoot(ofX);
  const Tensor cross = at::linalg_eigvalsh(root.matmul(ofY).matmul(root)).clamp_min(0).sqrt().sum();
  const Tensor distance = (x.mean(0) - y.mean(0)).square().sum() + ofX.trace() + ofY.trace() - cross * 2.0;
  return distance.clamp_min(0).item<double>();  // NaN stays NaN
}

}  // namespace torchvae
