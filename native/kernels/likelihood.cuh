// Likelihoods: the loss of each row and the gradient in the decoder's output, in one pass over it. A block
// for each row.
#pragma once

#include "columns.cuh"

namespace torchvae::kernels {

// The elementary functions of likelihoods.h.
struct TermMath {
  template <class C>
  __device__ static C exp(C x) {
    return ::exp(x);
  }
  template <class C>
  __device__ static C log(C x) {
    return ::log(x);
  }
  template <class C>
  __device__ static C log1p(C x) {
    return ::log1p(x);
  }
};

template <class C>
__device__ inline ValueAndSlope<C> likelihoodTerm(LikelihoodKind kind, bool isSigmoid, C x, C y) {
  switch (kind) {
#define TORCHVAE_TERM_OF(kind, Term) \
  case LikelihoodKind::kind:         \
    return Term::template of<TermMath>(isSigmoid, x, y);
    TORCHVAE_LIKELIHOOD_TERMS(TORCHVAE_TERM_OF)
#undef TORCHVAE_TERM_OF
  }
  return {};
}

// The terms of a thread's columns in a slice of the row; returns their sum.
template <class T, int N, class Term>
__device__ inline Compute<T> sumColumns(const LikelihoodArguments& a, Compute<T> scale, int slice) {
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
      const ValueAndSlope<C> t = Term::template of<TermMath>(a.sigmoid != 0, x[k], y[k] + bias[k]);
      sum += t.value;
      y[k] = t.slope * scale;
      slopes[k] += y[k];
    }
    if (a.gradient != nullptr) storeColumns<T, N>(a.gradient, ofY, y);
  }
  if (a.sums != nullptr) storeSums(walk, place, blockIdx.x, slopes, static_cast<C*>(a.sums));
  return sum;
}

template <class T, class Term>
__device__ inline void sumRow(const LikelihoodArguments& a) {
  using C = Compute<T>;
  const C scale = static_cast<C>(a.precision * a.scale);
  C sum = 0;
  for (int slice = 0; slice < a.walk.slices; ++slice) {
    sum += a.walk.vector == 1 ? sumColumns<T, 1, Term>(a, scale, slice)
                              : sumColumns<T, kVector<T>, Term>(a, scale, slice);
  }
  sum = blockSum(sum);
  if (threadIdx.x == 0) static_cast<C*>(a.loss)[blockIdx.x] = static_cast<C>(a.precision * sum + a.constant);
}

// Blocks of kWalkThreads.
template <class T>
__device__ inline void likelihood(const LikelihoodArguments& a) {
  switch (a.kind) {
#define TORCHVAE_ROW_OF(kind, Term) \
  case LikelihoodKind::kind:        \
    return sumRow<T, Term>(a);
    TORCHVAE_LIKELIHOOD_TERMS(TORCHVAE_ROW_OF)
#undef TORCHVAE_ROW_OF
  }
}

}  // namespace torchvae::kernels
