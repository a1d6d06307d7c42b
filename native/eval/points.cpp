#include "eval/points.h"

#include <ATen/ops/linalg_eigh.h>

#include "base/host.h"

namespace torchvae {

Tensor pointsOf(const HostArray& array, int64_t first, int64_t rows) {
  const Tensor values = hostRows(array, first, rows).to(c10::kDouble);
  return array.isUint8 ? values / 255 : values;
}

Tensor pointsOf(const HostArray& array) {
  return pointsOf(array, 0, array.rows);
}

Tensor covariance(const Tensor& x) {
  const Tensor centered = x - x.mean(0);
  return centered.t().matmul(centered) / static_cast<double>(x.size(0) - 1);
}

void projectBoth(Tensor& x, Tensor& y, int64_t components) {
  const int64_t columns = x.size(1);
  if (components == 0 || components >= columns) return;
  // Eigenvectors come by rising eigenvalue.
  const Tensor vectors = std::get<1>(at::linalg_eigh(covariance(x)));
  const Tensor basis = vectors.narrow(1, columns - components, components);
  x = x.matmul(basis);
  y = y.matmul(basis);
}

}  // namespace torchvae
