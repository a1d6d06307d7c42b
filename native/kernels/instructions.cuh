// The instructions that CUDA C++ has no words for, in PTX, for compute capability 8.0 and later. The twin has
// the same functions in test/twin/instructions.h.
#pragma once

#include "arguments.h"

#ifdef __CUDACC_RTC__
namespace torchvae::kernels {

// Neighboring values that one access takes.
template <int kCount>
struct alignas(4 * kCount) Floats {
  float of[kCount];
};

// Products of a warp: c[16, 8] += a[16, 8] b[8, 8], or of depth 16. mma.cuh says which lane holds what.
__device__ inline void multiplyTf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ inline void multiplyBf16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// The nearest tf32, of ties the one farther from 0; NaN stays NaN.
__device__ inline uint32_t roundToTf32(float x) {
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}
// Two bf16, `low` in the lower half; to the nearest, ties to even.
__device__ inline uint32_t packBf16(float low, float high) {
  uint32_t bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}

// Begins to copy kBytes (4 or 16) from global to shared memory, of which those from `valid` on become 0. Both
// places are aligned to kBytes.
template <int kBytes>
__device__ inline void beginCopy(void* shared, const void* global, int valid) {
  const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(valid)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(global), "n"(kBytes),
                 "r"(valid)
                 : "memory");
  }
}
// The same, and leaves it in the multiprocessor's own cache: for what its blocks copy several times. Nobody
// may have written it since the kernel began.
template <int kBytes>
__device__ inline void beginCachedCopy(void* shared, const void* global, int valid) {
  const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(global), "n"(kBytes), "r"(valid)
               : "memory");
}
// Closes the thread's group of copies that were begun since the last.
__device__ inline void closeCopies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// Waits for all of the thread's groups but the last kLater. What other threads copied is there after a
// barrier.
template <int kLater>
__device__ inline void awaitCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLater) : "memory");
}
// Likewise of all but the last `later`, a constant: 1 or 2.
__device__ inline void awaitAllCopiesBut(int later) {
  later == 1 ? awaitCopies<1>() : awaitCopies<2>();
}

// Where a kernel was launched so that it may begin before the one before it has ended: waits until that one
// has ended, and all that it wrote is there. Elsewhere there is nothing to wait for.
__device__ inline void awaitPrevious() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
// Lets the next kernel begin, as far as there is room for its blocks.
__device__ inline void admitNext() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// Reads past the multiprocessor's own cache, which may hold what was there before another wrote it.
__device__ inline float loadFromL2(const float* p) {
  return __ldcg(p);
}
__device__ inline Floats<1> loadFromL2(const Floats<1>* p) {
  return {__ldcg(p->of)};
}
__device__ inline Floats<4> loadFromL2(const Floats<4>* p) {
  Floats<4> x;
  asm volatile("ld.global.cg.v4.f32 {%0,%1,%2,%3}, [%4];"
               : "=f"(x.of[0]), "=f"(x.of[1]), "=f"(x.of[2]), "=f"(x.of[3])
               : "l"(p));
  return x;
}

// x / y and the square root of x, within 2 units of the last place where neither root nor y is below 1e-37:
// the update of a parameter is some twenty instructions with these, and a hundred with those that round
// exactly.
__device__ inline float quotient(float x, float y) {
  float inverse;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(y));
  return x * inverse;
}
__device__ inline double quotient(double x, double y) {
  return x / y;
}
__device__ inline float root(float x) {
  float root;
  asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(root) : "f"(x));
  return root;
}
__device__ inline double root(double x) {
  return sqrt(x);
}

// The largest value of the warp, in every lane.
__device__ inline uint32_t warpMax(uint32_t value) {
  return __reduce_max_sync(0xffffffffu, value);
}

// An array that all threads of a block share, of the size that the launch gives.
#define TORCHVAE_DYNAMIC_SHARED(name) extern __shared__ __align__(16) float name[]

}  // namespace torchvae::kernels
#endif
