// Likelihoods: the loss of each row and the gradient in the decoder's output, in one pass over it. A block
// for each row.
#pragma once

#include "numbers.cuh"

namespace torchvae::kernels {

template <class C>
struct ValueAndSlope {
  C value, slope;
};

// Sums term(x, y) over a row; its slope in y is the gradient.
template <class T, class Term>
__device__ inline void sumRow(const LikelihoodArguments& a, double weight, const Term& term) {
  using C = Compute<T>;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * a.columns;
  const T* x = static_cast<const T*>(a.x) + static_cast<int64_t>(blockIdx.x) * a.xStride;
  const T* y = static_cast<const T*>(a.y) + row;
  T* gradient = a.gradient == nullptr ? nullptr : static_cast<T*>(a.gradient) + row;
  const C scale = static_cast<C>(weight * a.scale);
  C sum = 0;
  for (int j = threadIdx.x; j < a.columns; j += blockDim.x) {
    const ValueAndSlope<C> t = term(load(x, j), load(y, j));
    sum += t.value;
    if (gradient != nullptr) store(gradient, j, t.slope * scale);
  }
  sum = blockSum(sum);
  if (threadIdx.x == 0) static_cast<C*>(a.loss)[blockIdx.x] = static_cast<C>(weight * sum + a.constant);
}

template <class C>
__device__ inline C locationOf(const LikelihoodArguments& a, C y) {
  return a.sigmoid != 0 ? C(1) / (C(1) + exp(-y)) : y;
}
template <class C>
__device__ inline C slopeOfLocation(const LikelihoodArguments& a, C location) {
  return a.sigmoid != 0 ? location * (C(1) - location) : C(1);
}

// max(y, 0) - x y + log(1 + exp(-|y|)), with derivative sigmoid(y) - x.
template <class T>
__device__ inline void bernoulli(const LikelihoodArguments& a) {
  using C = Compute<T>;
  sumRow<T>(a, 1, [](C x, C y) {
    const C e = exp(y < 0 ? y : -y);
    const C mean = (y < 0 ? e : C(1)) / (C(1) + e);
    return ValueAndSlope<C>{(y > 0 ? y : C(0)) - x * y + log1p(e), mean - x};
  });
}

// The cross-entropy less log(y / tanh(y / 2)): with a = |y| and e = exp(-a) max(y, 0) - x y + log((1 - e) /
// a), and near 0 the series of that logarithm (cpu/likelihood.cpp).
template <class T>
__device__ inline void continuousBernoulli(const LikelihoodArguments& a) {
  using C = Compute<T>;
  sumRow<T>(a, 1, [](C x, C y) {
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
    return ValueAndSlope<C>{(y > 0 ? y : C(0)) - x * y + rest, mean - x - slope};
  });
}

// (x - m)^2 precision / 2 + log(sigma sqrt(2 pi)), with m = y or sigmoid(y).
template <class T>
__device__ inline void gaussian(const LikelihoodArguments& a) {
  using C = Compute<T>;
  sumRow<T>(a, a.precision, [&a](C x, C y) {
    const C mean = locationOf(a, y);
    const C difference = mean - x;
    return ValueAndSlope<C>{C(0.5) * difference * difference, difference * slopeOfLocation(a, mean)};
  });
}

// |x - m| precision + log(2 scale), with m = y or sigmoid(y).
template <class T>
__device__ inline void laplace(const LikelihoodArguments& a) {
  using C = Compute<T>;
  sumRow<T>(a, a.precision, [&a](C x, C y) {
    const C mean = locationOf(a, y);
    const C difference = mean - x;
    const C sign = difference > 0 ? C(1) : (difference < 0 ? C(-1) : difference);
    return ValueAndSlope<C>{sign * difference, sign * slopeOfLocation(a, mean)};
  });
}

}  // namespace torchvae::kernels
