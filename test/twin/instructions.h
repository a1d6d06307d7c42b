// The functions of native/kernels/instructions.cuh for the CPU, exact as far as the PTX ISA says what they
// compute. Included where CUDA's words have their meanings (kernels.cpp).
#pragma once

#include <array>
#include <cstring>
#include <limits>
#include <vector>

namespace torchvae::kernels {

// Every lane's registers of a product: four of a, two of b.
struct LaneFactors {
  uint32_t a[4], b[2];
};

// A lane's four values of c += a b. `left` gives a(row, k) and `right` b(k, column) of the lanes' registers,
// as the tables of the PTX ISA have them.
template <int kDepth, class Left, class Right>
void multiplyTile(float (&c)[4], const Left& left, const Right& right) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + i / 2 * 8;
    const int column = lane % 4 * 2 + i % 2;
    double sum = c[i];
    for (int k = 0; k < kDepth; ++k) sum += static_cast<double>(left(row, k)) * right(k, column);
    c[i] = static_cast<float>(sum);
  }
}

// Of a tf32 operand the lower 13 bits are not read.
inline float tf32Of(uint32_t bits) {
  return __uint_as_float(bits & 0xffffe000u);
}
inline float bf16Of(uint32_t pair, int index) {
  return __uint_as_float(index % 2 == 0 ? pair << 16 : pair & 0xffff0000u);
}

inline const LaneFactors* exchangeFactors(const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  namespace twin = torchvae::twin;
  auto* all = static_cast<LaneFactors*>(twin::warpSlots(sizeof(LaneFactors)));
  LaneFactors& mine = all[threadIdx.x % 32];
  std::memcpy(mine.a, a, sizeof a);
  std::memcpy(mine.b, b, sizeof b);
  twin::warpBarrier();
  return all;
}

// m16n8k8: a0 is (group, member), a1 of row + 8, a2 of k + 4, a3 of both; b0 (member, group), b1 of k + 4.
inline void multiplyTf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  const LaneFactors* all = exchangeFactors(a, b);
  multiplyTile<8>(
      c, [&](int row, int k) { return tf32Of(all[row % 8 * 4 + k % 4].a[row / 8 + k / 4 * 2]); },
      [&](int k, int column) { return tf32Of(all[column * 4 + k % 4].b[k / 4]); });
}

// m16n8k16: a's registers are pairs of k = 2 member, 2 member + 1; the second of row + 8, the third of k + 8,
// the fourth of both. b's are pairs of such k; the second of k + 8.
inline void multiplyBf16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  const LaneFactors* all = exchangeFactors(a, b);
  multiplyTile<16>(
      c, [&](int row, int k) { return bf16Of(all[row % 8 * 4 + k % 8 / 2].a[row / 8 + k / 8 * 2], k); },
      [&](int k, int column) { return bf16Of(all[column * 4 + k % 8 / 2].b[k / 8], k); });
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
  std::memset(shared, 0xff, kBytes);  // NaN
  copiesOfThread().open.push_back({shared, global, kBytes, valid});
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

// Kernels run one after another.
inline void awaitPrevious() {}
inline void admitNext() {}

inline float loadFromL2(const float* p) {
  return *p;
}

#define TORCHVAE_DYNAMIC_SHARED(name) float* const name = torchvae::twin::dynamicShared()

}  // namespace torchvae::kernels
