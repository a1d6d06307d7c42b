// The functions of native/kernels/instructions.cuh for the CPU, exact as far as the PTX ISA says what they
// compute. Included where CUDA's words have their meanings (kernels.cpp).
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <vector>

namespace torchvae::kernels {

template <int kCount>
struct alignas(4 * kCount) Floats {
  float of[kCount];
};

// The factors of a warp's product, as matrices: of a the rows, of b the columns. In double, so that sums are
// exact but for their last rounding.
struct WarpFactors {
  double a[16][16], b[8][16];
};
inline WarpFactors& factorsOfWarp() {
  return *static_cast<WarpFactors*>(torchvae::twin::warpPlace(sizeof(WarpFactors)));
}

// A lane's four values of c += a b, once all lanes have put their factors there.
template <int kDepth>
void multiplyTile(float (&c)[4], const WarpFactors& factors) {
  torchvae::twin::warpBarrier();
  const int lane = static_cast<int>(threadIdx.x % 32);
  for (int i = 0; i < 4; ++i) {
    const double* row = factors.a[lane / 4 + i / 2 * 8];
    const double* column = factors.b[lane % 4 * 2 + i % 2];
    double sum = c[i];
    for (int k = 0; k < kDepth; ++k) sum += row[k] * column[k];
    c[i] = static_cast<float>(sum);
  }
}

// Of a tf32 operand the lower 13 bits are not read.
inline double tf32Of(uint32_t bits) {
  return static_cast<double>(__uint_as_float(bits & 0xffffe000u));
}
inline void putPair(uint32_t pair, double* to) {
  to[0] = static_cast<double>(__uint_as_float(pair << 16));
  to[1] = static_cast<double>(__uint_as_float(pair & 0xffff0000u));
}

// m16n8k8: a0 is (group, member), a1 of row + 8, a2 of k + 4, a3 of both; b0 (member, group), b1 of k + 4.
inline void multiplyTf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  WarpFactors& factors = factorsOfWarp();
  const unsigned group = threadIdx.x % 32 / 4, member = threadIdx.x % 4;
  for (unsigned i = 0; i < 4; ++i) factors.a[group + i % 2 * 8][member + i / 2 * 4] = tf32Of(a[i]);
  for (unsigned i = 0; i < 2; ++i) factors.b[group][member + i * 4] = tf32Of(b[i]);
  multiplyTile<8>(c, factors);
}

// m16n8k16: a's registers are pairs of k = 2 member, 2 member + 1; the second of row + 8, the third of k + 8,
// the fourth of both. b's are pairs of such k; the second of k + 8.
inline void multiplyBf16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  WarpFactors& factors = factorsOfWarp();
  const unsigned group = threadIdx.x % 32 / 4, member = threadIdx.x % 4;
  for (unsigned i = 0; i < 4; ++i) putPair(a[i], &factors.a[group + i % 2 * 8][2 * member + i / 2 * 8]);
  for (unsigned i = 0; i < 2; ++i) putPair(b[i], &factors.b[group][2 * member + i * 8]);
  multiplyTile<16>(c, factors);
}

inline uint32_t roundToTf32(float x) {
  const uint32_t bits = __float_as_uint(x);
  return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & 0xffffe000u;
}
inline uint32_t packBf16(float low, float high) {
  return toBf16(low).bits | static_cast<uint32_t>(toBf16(high).bits) << 16;
}

// A copy is done when it is waited for, and until then its place holds what nobody may use.
struct TwinCopy {
  void* to;
  const void* from;
  int bytes, valid;
};
struct TwinCopies {
  std::vector<TwinCopy> open;
  std::vector<std::vector<TwinCopy>> groups;
};
inline TwinCopies& copiesOfThread() {
  static std::array<TwinCopies, 1024> all;
  return all[threadIdx.x];
}

template <int kBytes>
void beginCopy(void* shared, const void* global, int valid) {
  // Both places must be aligned, or the device fails.
  if (reinterpret_cast<uintptr_t>(shared) % kBytes != 0 ||
      (valid > 0 && reinterpret_cast<uintptr_t>(global) % kBytes != 0)) {
    throw torchvae::Error("ERR_INTERNAL", "A copy is not aligned");
  }
  torchvae::twin::noteRead(global, static_cast<size_t>(valid));
  std::memset(shared, 0xff, kBytes);  // NaN
  copiesOfThread().open.push_back({shared, global, kBytes, valid});
}
template <int kBytes>
void beginCachedCopy(void* shared, const void* global, int valid) {
  beginCopy<kBytes>(shared, global, valid);
}
inline void closeCopies() {
  TwinCopies& copies = copiesOfThread();
  copies.groups.push_back(std::move(copies.open));
  copies.open.clear();
}
template <int kLater>
void awaitCopies() {
  TwinCopies& copies = copiesOfThread();
  const size_t count = copies.groups.size();
  if (count <= kLater) return;
  const auto end = copies.groups.end() - kLater;
  for (auto group = copies.groups.begin(); group != end; ++group) {
    for (const TwinCopy& copy : *group) {
      std::memset(copy.to, 0, static_cast<size_t>(copy.bytes));
      if (copy.valid > 0) std::memcpy(copy.to, copy.from, static_cast<size_t>(copy.valid));
    }
  }
  copies.groups.erase(copies.groups.begin(), end);
}
inline void awaitAllCopiesBut(int later) {
  later == 1 ? awaitCopies<1>() : awaitCopies<2>();
}

// Kernels run one after another; what a device could do before is noted.
inline void awaitPrevious() {
  torchvae::twin::noteWait();
}
inline void admitNext() {}

template <class T>
T loadFromL2(const T* p) {
  torchvae::twin::noteRead(p, sizeof(T));
  return *p;
}

template <class C>
C quotient(C x, C y) {
  return x / y;
}
template <class C>
C root(C x) {
  return std::sqrt(x);
}

inline uint32_t warpMax(uint32_t value) {
  for (int lanes = 16; lanes > 0; lanes >>= 1)
    value = std::max(value, __shfl_xor_sync(0xffffffffu, value, lanes));
  return value;
}

#define TORCHVAE_DYNAMIC_SHARED(name) float* const name = torchvae::twin::dynamicShared()

}  // namespace torchvae::kernels
