// Likelihoods: the loss of each row and the gradient in the decoder's output, in one pass over it. A block
// for each row.
#pragma once

#include "columns.cuh"

namespace torchvae::kernels {

template <class C>
struct ValueAndSlope {
  C value, slope;
};

// The terms of a loss, value by value, with their slopes in the decoder's output y.

// max(y, 0) - x y + log(1 + exp(-|y|)), with derivative sigmoid(y) - x.
template <class C>
__device__ inline ValueAndSlope<C> bernoulliTerm(C x, C y) {
  const C e = exp(y < 0 ? y : -y);
  const C mean = (y < 0 ? e : C(1)) / (C(1) + e);
  return {(y > 0 ? y : C(0)) - x * y + static_cast<C>(log1p(e)), mean - x};
}

// The cross-entropy less log(y / tanh(y / 2)): with a = |y| and e = exp(-a) max(y, 0) - x y + log((1 - e) /
// a), and near 0 the series of that logarithm (cpu/likelihood.cpp).
template <class C>
__device__ inline ValueAndSlope<C> continuousBernoulliTerm(C x, C y) {
  const C size = y < 0 ? -y : y;
  const bool isSmall = size < C(sizeof(C) == sizeof(double) ? 0.1 : 0.5);
  const C safe = isSmall ? C(1) : size;
  const C e = exp(-size);
  const C mean = (y < 0 ? e : C(1)) / (C(1) + e);
  const C s = y * y;
  const C series =
      s * (C(1.0 / 12) + s * (C(-7.0 / 1440) + s * (C(62.0 / 181440) + s * C(-127.0 / 4838400))));
  const C slopeOfSeries =
      y * (C(1.0 / 6) + s * (C(-7.0 / 360) + s * (C(372.0 / 181440) + s * C(-1016.0 / 4838400))));
  const C inverse = C(1) / safe - C(1) / sinh(safe);
  const C rest = isSmall ? log1p(e) - series - C(0.69314718055994530942) : log(-expm1(-safe) / safe);
  const C slope = isSmall ? slopeOfSeries : (y < 0 ? -inverse : inverse);
  return {(y > 0 ? y : C(0)) - x * y + rest, mean - x - slope};
}

// What the data are near: y, or sigmoid(y), with its slope in y.
template <class C>
__device__ inline ValueAndSlope<C> locationOf(bool sigmoid, C y) {
  if (!sigmoid) return {y, C(1)};
  const C location = C(1) / (C(1) + exp(-y));
  return {location, location * (C(1) - location)};
}

// (x - m)^2 / 2
template <class C>
__device__ inline ValueAndSlope<C> gaussianTerm(bool sigmoid, C x, C y) {
  const ValueAndSlope<C> mean = locationOf(sigmoid, y);
  const C difference = mean.value - x;
  return {C(0.5) * difference * difference, difference * mean.slope};
}

// |x - m|
template <class C>
__device__ inline ValueAndSlope<C> laplaceTerm(bool sigmoid, C x, C y) {
  const ValueAndSlope<C> mean = locationOf(sigmoid, y);
  const C difference = mean.value - x;
  const C sign = difference > 0 ? C(1) : (difference < 0 ? C(-1) : difference);
  return {sign * difference, sign * mean.slope};
}

template <class C>
__device__ inline ValueAndSlope<C> likelihoodTerm(int32_t kind, bool sigmoid, C x, C y) {
  switch (kind) {
    case kContinuousBernoulli:
      return continuousBernoulliTerm(x, y);
    case kGaussian:
      return gaussianTerm(sigmoid, x, y);
    case kLaplace:
      return laplaceTerm(sigmoid, x, y);
    default:
      return bernoulliTerm(x, y);
  }
}

// The terms of a thread's columns in a slice of the row; returns their sum.
template <class T, int N>
__device__ inline Compute<T> sumColumns(const LikelihoodArguments& a, LikelihoodKind kind, Compute<T> scale,
                                        int slice) {
  using C = Compute<T>;
  const int64_t row = blockIdx.x;
  const ColumnWalk& walk = a.walk;
  const ColumnPlace place = placeIn<N>(walk, slice, walk.slices);
  C bias[N] = {}, slopes[N] = {}, sum = 0;
  if (a.bias != nullptr && place.line < walk.lines) loadColumns<T, N>(a.bias, place.column, bias);
  for (int64_t line = place.line; line < walk.lines; line += place.step) {
    const int64_t at = line * walk.columns + place.column;
    const int64_t ofY = row * walk.lines * walk.columns + at;
    C x[N], y[N];
    loadColumns<T, N>(a.x, row * a.xStride + at, x);
    loadColumns<T, N>(a.y, ofY, y);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      if (place.column + k >= a.used) {
        y[k] = 0;
        continue;
      }
      const ValueAndSlope<C> t = likelihoodTerm(kind, a.sigmoid != 0, x[k], y[k] + bias[k]);
      sum += t.value;
      y[k] = t.slope * scale;
      slopes[k] += y[k];
    }
    if (a.gradient != nullptr) storeColumns<T, N>(a.gradient, ofY, y);
  }
  if (a.sums != nullptr) storeSums(walk, place, blockIdx.x, slopes, static_cast<C*>(a.sums));
  return sum;
}

// Sums the terms over a row, each times `weight`. Blocks of kWalkThreads.
template <class T>
__device__ inline void sumRow(const LikelihoodArguments& a, LikelihoodKind kind, double weight) {
  using C = Compute<T>;
  const C scale = static_cast<C>(weight * a.scale);
  C sum = 0;
  for (int slice = 0; slice < a.walk.slices; ++slice) {
    sum += a.walk.vector == 1 ? sumColumns<T, 1>(a, kind, scale, slice)
                              : sumColumns<T, kVector<T>>(a, kind, scale, slice);
  }
  sum = blockSum(sum);
  if (threadIdx.x == 0) static_cast<C*>(a.loss)[blockIdx.x] = static_cast<C>(weight * sum + a.constant);
}

template <class T>
__device__ inline void bernoulli(const LikelihoodArguments& a) {
  sumRow<T>(a, kBernoulli, 1);
}
template <class T>
__device__ inline void continuousBernoulli(const LikelihoodArguments& a) {
  sumRow<T>(a, kContinuousBernoulli, 1);
}
// (x - m)^2 precision / 2 + log(sigma sqrt(2 pi)), with m = y or sigmoid(y).
template <class T>
__device__ inline void gaussian(const LikelihoodArguments& a) {
  sumRow<T>(a, kGaussian, a.precision);
}
// |x - m| precision + log(2 scale), with m = y or sigmoid(y).
template <class T>
__device__ inline void laplace(const LikelihoodArguments& a) {
  sumRow<T>(a, kLaplace, a.precision);
}

}  // namespace torchvae::kernels
