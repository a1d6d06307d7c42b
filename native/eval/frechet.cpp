#include "eval/frechet.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_eigvalsh.h>

#include <algorithm>

#include "tensor.h"

namespace torchvae {
namespace {

Tensor pointsOf(const HostArray& array) {
  const auto type = array.isUint8 ? c10::kByte : c10::kFloat;
  const Tensor values = at::from_blob(const_cast<void*>(array.data), {array.rows, array.columns},
                                      c10::TensorOptions().dtype(type))
                            .to(c10::kDouble);
  return array.isUint8 ? values / 255 : values;
}

Tensor covariance(const Tensor& x) {
  const Tensor centred = x - x.mean(0);
  return centred.t().matmul(centred) / static_cast<double>(x.size(0) - 1);
}

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
  if (components > 0 && components < a.columns) {
    // Eigenvectors come by rising eigenvalue.
    const Tensor vectors = std::get<1>(at::linalg_eigh(covariance(x)));
    const Tensor basis = vectors.narrow(1, a.columns - components, components);
    x = x.matmul(basis);
    y = y.matmul(basis);
  }
  const Tensor ofX = covariance(x);
  const Tensor ofY = covariance(y);
  // tr (X Y)^(1/2) = tr (X^(1/2) Y X^(1/2))^(1/2), which is of a symmetric matrix.
  const Tensor root = squareRoot(ofX);
  const Tensor cross = at::linalg_eigvalsh(root.matmul(ofY).matmul(root)).clamp_min(0).sqrt().sum();
  const Tensor distance = (x.mean(0) - y.mean(0)).square().sum() + ofX.trace() + ofY.trace() - cross * 2.0;
  return std::max(0.0, distance.item<double>());
}

}  // namespace torchvae
