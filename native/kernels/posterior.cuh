// The diagonal Gaussian posterior: reparameterization, KL divergence, and their derivative.
#pragma once

#include "numbers.cuh"

namespace torchvae::kernels {

// A warp for each row.
template <class T>
__device__ inline void sample(const SampleArguments& a) {
  using C = Compute<T>;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
  if (row >= a.rows) return;  // whole warps
  const T* head = static_cast<const T*>(a.head) + row * 2 * a.latent;
  const C* noise = static_cast<const C*>(a.noise) + row * a.latent;
  T* z = static_cast<T*>(a.z) + row * a.zStride;
  C sum = 0;
#pragma unroll 1  // in float64 more at a time do not fit in the registers
  for (int j = threadIdx.x % 32; j < a.latent; j += 32) {
    const C mean = load(head, j);
    const C logVariance = load(head, a.latent + j);
    const C deviation = exp(C(0.5) * logVariance);
    store(z, j, mean + deviation * noise[j]);
    sum += mean * mean + (deviation * deviation - C(1) - logVariance);
  }
  sum = warpSum(sum);
  if (threadIdx.x % 32 == 0) static_cast<C*>(a.kl)[row] = C(0.5) * sum;
}

// One block of 1,024 threads: 32 dimensions at a time, 32 rows of each at a time.
template <class T>
__device__ inline void klCost(const KlCostArguments& a) {
  using C = Compute<T>;
  __shared__ C partial[32][33];
  const int lane = threadIdx.x % 32;
  const int line = threadIdx.x / 32;
  double total = 0;  // of the dimensions that this thread adds up
  for (int first = 0; first < a.latent; first += 32) {
    C sum = 0;
    if (first + lane < a.latent) {
#pragma unroll 1  // as above
      for (int64_t i = line; i < a.rows; i += 32) {
        const T* head = static_cast<const T*>(a.head) + i * 2 * a.latent + first + lane;
        const C mean = load(head, 0);
        const C logVariance = load(head, a.latent);
        sum += mean * mean + (exp(logVariance) - C(1) - logVariance);
      }
    }
    __syncthreads();  // the readers of the dimensions before are done
    partial[line][lane] = sum;
    __syncthreads();
    const C column = warpSum(partial[lane][line]);  // warp `line` adds up dimension first + line
    if (lane != 0 || first + line >= a.latent) continue;
    const C mean = C(0.5) * column / C(a.rows);
    const bool isFree = a.hasCapacity == 0 && mean < C(a.freeBits);
    static_cast<C*>(a.factors)[first + line] = isFree ? C(0) : C(1);
    total += isFree ? a.freeBits : static_cast<double>(mean);
  }
  total = blockSum(total);
  __syncthreads();
  if (a.hasCapacity == 0) {
    if (threadIdx.x == 0) *a.cost = total;
    return;
  }
  const double capacity = a.state != nullptr ? a.schedule[a.state->index].capacity : a.capacity;
  const double over = total - capacity;
  const C factor = over > 0 ? C(1) : (over < 0 ? C(-1) : C(0));
  for (int j = threadIdx.x; j < a.latent; j += blockDim.x) static_cast<C*>(a.factors)[j] = factor;
  if (threadIdx.x == 0) *a.cost = over < 0 ? -over : over;
}

template <class T>
__device__ inline void sampleBackward(const SampleBackwardArguments& a) {
  using C = Compute<T>;
  const double beta = a.state != nullptr ? a.schedule[a.state->index].beta : a.beta;
  const int64_t count = static_cast<int64_t>(a.rows) * a.latent;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const int64_t row = i / a.latent;
  const int64_t column = i % a.latent;
  const C factor = a.factors == nullptr ? C(1) : static_cast<const C*>(a.factors)[column];
  const C klScale = static_cast<C>(beta / a.rows) * factor;
  const int64_t mean = row * 2 * a.latent + column;
  const T* head = static_cast<const T*>(a.head);
  T* gradient = static_cast<T*>(a.gradient);
  const C deviation = exp(C(0.5) * load(head, mean + a.latent));
  const C d = load(static_cast<const T*>(a.dz), row * a.dzStride + column);
  store(gradient, mean, d + klScale * load(head, mean));
  store(gradient, mean + a.latent,
        C(0.5) *
            (d * static_cast<const C*>(a.noise)[i] * deviation + klScale * (deviation * deviation - C(1))));
}

}  // namespace torchvae::kernels
