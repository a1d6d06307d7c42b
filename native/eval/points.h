// Comparisons of two sets of points.
#pragma once

#include "base/tensor.h"
#include "engine.h"

namespace torchvae {

// [rows, columns] in float64; bytes as shares of 255.
Tensor pointsOf(const HostArray& array);
// Its rows [first, first + rows).
Tensor pointsOf(const HostArray& array, int64_t first, int64_t rows);

// The covariances of the columns, [columns, columns], over rows - 1.
Tensor covariance(const Tensor& x);

// Both sets on the first `components` principal components of `x`, or as they are where these are 0 or more
// than there are columns.
void projectBoth(Tensor& x, Tensor& y, int64_t components);

}  // namespace torchvae
