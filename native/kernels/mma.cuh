// Small products on tensor cores: a warp's c[16, 8] += a[16, depth] b[depth, 8].
//
// Lanes are named by their group (lane / 4) and their member of it (lane % 4). As PTX lays m16n8k8 out,
//   of a a lane holds   (group, member), (group + 8, member), (group, member + 4), (group + 8, member + 4)
//   of b                (member, group), (member + 4, group)
//   of c                (group, 2 member), (group, 2 member + 1), and the same of row group + 8.
// m16n8k16 takes pairs of bf16: the columns of a, and rows of b, 2 member and 2 member + 1 in one register
// and those 8 farther in another. A sum may be taken in any order, so its pairs are made here of columns
// member and member + 4: for every precision the lanes then read the same places, which banks of shared
// memory give at once (product.cuh).
#pragma once

#include "instructions.cuh"
#include "numbers.cuh"
#include "tiles.h"

namespace torchvae::kernels {

// Columns of `a` that one call of multiply() takes.
template <Precision P>
constexpr int kStep = P == kBf16 ? 16 : 8;

// A lane's share of a factor: 4 registers of a, 2 of b.
template <Precision P, int kRegisters>
struct Factor {
  uint32_t big[kRegisters];
};
template <int kRegisters>
struct Factor<kFloat32, kRegisters> {
  uint32_t big[kRegisters], small[kRegisters];
};

// The upper 10 bits behind the point, and the rest, of which the instruction takes its upper 10 bits: what is
// lost is below 2^-21 of x. Infinity gives NaN, so that it cannot pass for a number.
__device__ inline void split(float x, uint32_t& big, uint32_t& small) {
  big = __float_as_uint(x) & 0xffffe000u;
  small = __float_as_uint(x - __uint_as_float(big));
}

__device__ inline uint32_t packBf16(Bf16 low, Bf16 high) {
  return low.bits | static_cast<uint32_t>(high.bits) << 16;
}

// Register i of a factor is made of the value at(i), or in bf16 of the pair of a register i and the one of
// the same row, 4 columns farther; `at` counts in the layout of m16n8k8, `second` for the second 8 columns.
template <Precision P, int kRegisters, class At>
__device__ inline void makeFactor(Factor<P, kRegisters>& factor, const At& at) {
  constexpr int kHalf = kRegisters / 2;
#pragma unroll
  for (int i = 0; i < kRegisters; ++i) {
    if constexpr (P == kFloat32) {
      split(at(i, 0), factor.big[i], factor.small[i]);
    } else if constexpr (P == kTf32) {
      factor.big[i] = roundToTf32(at(i, 0));
    } else {
      factor.big[i] = packBf16(at(i % kHalf, 8 * (i / kHalf)), at(i % kHalf + kHalf, 8 * (i / kHalf)));
    }
  }
}

// a(row, column) gives one of the 16 rows' values, counted from the lane's first, (group, member).
template <Precision P, class Value>
__device__ inline Factor<P, 4> leftFactor(const Value& a) {
  Factor<P, 4> factor;
  makeFactor<P, 4>(factor, [&](int i, int more) { return a(i % 2 * 8, i / 2 * 4 + more); });
  return factor;
}
// b(row, column) gives one of the 8 columns' values, counted from the lane's first, (member, group).
template <Precision P, class Value>
__device__ inline Factor<P, 2> rightFactor(const Value& b) {
  Factor<P, 2> factor;
  makeFactor<P, 2>(factor, [&](int i, int more) { return b(i * 4 + more, 0); });
  return factor;
}

// c[m][n] += a[m] b[n] for m < rows and n < columns. Every tile of one product is begun before the next
// product, so that none waits for the one before it.
template <Precision P, int kRows, int kColumns>
__device__ inline void multiplyTiles(float (&c)[kRows][kColumns][4], const Factor<P, 4> (&a)[kRows],
                                     const Factor<P, 2> (&b)[kColumns], int rows = kRows,
                                     int columns = kColumns) {
  const auto forTiles = [&](const auto& multiply) {
#pragma unroll
    for (int m = 0; m < kRows; ++m) {
#pragma unroll
      for (int n = 0; n < kColumns; ++n) {
        if (m < rows && n < columns) multiply(c[m][n], a[m], b[n]);
      }
    }
  };
  if constexpr (P == kFloat32) {
    forTiles([](float(&sums)[4], const Factor<P, 4>& left, const Factor<P, 2>& right) {
      multiplyTf32(sums, left.small, right.big);
    });
    forTiles([](float(&sums)[4], const Factor<P, 4>& left, const Factor<P, 2>& right) {
      multiplyTf32(sums, left.big, right.small);
    });
  }
  forTiles([](float(&sums)[4], const Factor<P, 4>& left, const Factor<P, 2>& right) {
    if constexpr (P == kBf16) {
      multiplyBf16(sums, left.big, right.big);
    } else {
      multiplyTf32(sums, left.big, right.big);
    }
  });
}

}  // namespace torchvae::kernels
