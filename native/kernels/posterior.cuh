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
  T* z = static_cast<T*>(a.z) + row * a.latent;
  C sum = 0;
  for (int j = threadIdx.x % 32; j < a.latent; j += 32) {
    const C mean = load(head, j);
    const C logVariance = load(head, a.latent + j);
    store(z, j, mean + exp(C(0.5) * logVariance) * noise[j]);
    sum += mean * mean + (exp(logVariance) - C(1) - logVariance);
  }
  sum = warpSum(sum);
  if (threadIdx.x % 32 == 0) static_cast<C*>(a.kl)[row] = C(0.5) * sum;
}

template <class T>
__device__ inline void sampleBackward(const SampleBackwardArguments& a) {
  using C = Compute<T>;
  const double beta = a.state != nullptr ? a.schedule[a.state->index].beta : a.beta;
  const C klScale = static_cast<C>(beta / a.rows);
  const int64_t count = static_cast<int64_t>(a.rows) * a.latent;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const int64_t mean = i / a.latent * 2 * a.latent + i % a.latent;
  const T* head = static_cast<const T*>(a.head);
  T* gradient = static_cast<T*>(a.gradient);
  const C deviation = exp(C(0.5) * load(head, mean + a.latent));
  const C d = load(static_cast<const T*>(a.dz), i);
  store(gradient, mean, d + klScale * load(head, mean));
  store(gradient, mean + a.latent,
        C(0.5) *
            (d * static_cast<const C*>(a.noise)[i] * deviation + klScale * (deviation * deviation - C(1))));
}

}  // namespace torchvae::kernels
