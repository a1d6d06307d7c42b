// Likelihoods: the loss of each row and the gradient in the decoder's output, in one pass over it. A block
// for each row.
#pragma once

#include "numbers.cuh"

namespace torchvae::kernels {

// max(y, 0) - x y + log(1 + exp(-|y|)), with derivative sigmoid(y) - x.
template <class T>
__device__ inline void bernoulli(const LikelihoodArguments& a) {
  using C = Compute<T>;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * a.columns;
  const T* x = static_cast<const T*>(a.x) + row;
  const T* y = static_cast<const T*>(a.y) + row;
  T* gradient = a.gradient == nullptr ? nullptr : static_cast<T*>(a.gradient) + row;
  C sum = 0;
  for (int j = threadIdx.x; j < a.columns; j += blockDim.x) {
    const C logit = load(y, j);
    const C value = load(x, j);
    const C e = exp(logit < 0 ? logit : -logit);
    sum += (logit > 0 ? logit : C(0)) - value * logit + log1p(e);
    if (gradient != nullptr) {
      const C mean = (logit < 0 ? e : C(1)) / (C(1) + e);
      store(gradient, j, (mean - value) * static_cast<C>(a.scale));
    }
  }
  sum = blockSum(sum);
  if (threadIdx.x == 0) static_cast<C*>(a.loss)[blockIdx.x] = sum;
}

// (x - m)^2 precision / 2 + log(sigma sqrt(2 pi)), with m = y or sigmoid(y).
template <class T>
__device__ inline void gaussian(const LikelihoodArguments& a) {
  using C = Compute<T>;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * a.columns;
  const T* x = static_cast<const T*>(a.x) + row;
  const T* y = static_cast<const T*>(a.y) + row;
  T* gradient = a.gradient == nullptr ? nullptr : static_cast<T*>(a.gradient) + row;
  const C scale = static_cast<C>(a.precision * a.scale);
  C sum = 0;
  for (int j = threadIdx.x; j < a.columns; j += blockDim.x) {
    const C given = load(y, j);
    const C mean = a.sigmoid != 0 ? C(1) / (C(1) + exp(-given)) : given;
    const C difference = mean - load(x, j);
    const C slope = a.sigmoid != 0 ? mean * (C(1) - mean) : C(1);
    sum += difference * difference;
    if (gradient != nullptr) store(gradient, j, difference * slope * scale);
  }
  sum = blockSum(sum);
  if (threadIdx.x == 0)
    static_cast<C*>(a.loss)[blockIdx.x] = static_cast<C>(0.5 * a.precision * sum + a.constant);
}

}  // namespace torchvae::kernels
