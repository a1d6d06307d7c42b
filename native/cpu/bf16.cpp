#include "cpu/bf16.h"

#include <algorithm>
#include <exception>

#include "cpu/intrinsics.h"
#include "cpu/transpose.h"

namespace torchvae::cpu {
namespace {

// What roundTile() takes at a time: its two rounded copies lie in the first-level cache.
constexpr int64_t kBlockRows = 32;
constexpr int64_t kBlockColumns = 64;

#define TORCHVAE_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

TORCHVAE_BF16 inline __mmask16 lanesOf(int64_t count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffff : (1u << count) - 1);
}

TORCHVAE_BF16 inline __m256i rounded(const float* from, __mmask16 lanes) {
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(lanes, from)));
}

TORCHVAE_BF16 void roundRow(const float* from, int64_t count, uint16_t* to) {
  for (int64_t j = 0; j < count; j += 16) {
    const __mmask16 lanes = lanesOf(count - j);
    _mm256_mask_storeu_epi16(to + j, lanes, rounded(from + j, lanes));
  }
}

// A word of two rows' values a column; `second` may be null for a row of zeros.
TORCHVAE_BF16 void roundPair(const float* first, const float* second, int64_t count, uint32_t* to) {
  for (int64_t j = 0; j < count; j += 16) {
    const __mmask16 lanes = lanesOf(count - j);
    __m512i words = _mm512_cvtepu16_epi32(rounded(first + j, lanes));
    if (second != nullptr) {
      const __m512i high = _mm512_cvtepu16_epi32(rounded(second + j, lanes));
      words = _mm512_or_si512(words, _mm512_slli_epi32(high, 16));
    }
    _mm512_mask_storeu_epi32(to + j, lanes, words);
  }
}

void transposeWords(const uint32_t* from, int64_t fromStride, int64_t rows, int64_t columns, uint32_t* to,
                    int64_t toStride) {
  transpose(reinterpret_cast<const float*>(from), fromStride, rows, columns, reinterpret_cast<float*>(to),
            toStride);
}

uint32_t* words(const Bf16Place& place, int64_t row, int64_t column) {
  return reinterpret_cast<uint32_t*>(place.to) + row * (place.stride / 2) + column;
}

void roundBlock(const float* block, int64_t stride, int64_t rows, int64_t columns, int64_t row,
                int64_t column, const Bf16Places& p) {
  const int64_t rowPairs = even(rows) / 2;
  const int64_t columnPairs = even(columns) / 2;
  if (p.rowMajor.to != nullptr) {
    auto* to = reinterpret_cast<uint16_t*>(p.rowMajor.to) + row * p.rowMajor.stride + column;
    for (int64_t i = 0; i < rows; ++i) roundRow(block + i * stride, columns, to + i * p.rowMajor.stride);
  }
  if (p.pairs.to != nullptr || p.transposed.to != nullptr) {
    uint32_t scratch[kBlockRows / 2 * kBlockColumns];
    const bool direct = p.pairs.to != nullptr;
    uint32_t* pairs = direct ? words(p.pairs, row / 2, column) : scratch;
    const int64_t pairStride = direct ? p.pairs.stride / 2 : kBlockColumns;
    for (int64_t i = 0; i < rowPairs; ++i) {
      const float* first = block + 2 * i * stride;
      roundPair(first, 2 * i + 1 < rows ? first + stride : nullptr, columns, pairs + i * pairStride);
    }
    if (p.transposed.to != nullptr) {
      transposeWords(pairs, pairStride, rowPairs, columns, words(p.transposed, column, row / 2),
                     p.transposed.stride / 2);
    }
  }
  if (p.transposedPairs.to != nullptr) {
    alignas(64) uint16_t scratch[kBlockRows * kBlockColumns];
    for (int64_t i = 0; i < rows; ++i) {
      scratch[i * kBlockColumns + even(columns) - 1] = 0;
      roundRow(block + i * stride, columns, scratch + i * kBlockColumns);
    }
    transposeWords(reinterpret_cast<const uint32_t*>(scratch), kBlockColumns / 2, rows, columnPairs,
                   words(p.transposedPairs, column / 2, row), p.transposedPairs.stride / 2);
  }
}

// The kernel itself, on numbers that are exact in bf16: it may be missing from the libtorch that is open.
std::string missingKernel() {
  Bf16 a[2 * 2] = {1, 2, 3, 4};
  Bf16 b[2 * 2] = {5, 7, 6, 8};  // [[5, 6], [7, 8]] with its two rows paired
  float c[2 * 2] = {};
  try {
    multiplyBf16(2, 2, 2, a, 2, b, 2, c, 2);
  } catch (const std::exception&) {
    return "this libtorch has no bfloat16 kernel for it";
  }
  const bool right = c[0] == 19 && c[1] == 22 && c[2] == 43 && c[3] == 50;
  return right ? "" : "this libtorch's bfloat16 kernel multiplies wrongly on it";
}

std::string missingBf16() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vl")) {
    return "it has no avx512_bf16 instructions";
  }
  return missingKernel();
}

}  // namespace

bool hasBf16Products(std::string& reason) {
  static const std::string kMissing = missingBf16();
  reason = kMissing;
  return reason.empty();
}

void roundTile(const float* tile, int64_t stride, int64_t rows, int64_t columns, const Bf16Places& places) {
  for (int64_t i = 0; i < rows; i += kBlockRows) {
    for (int64_t j = 0; j < columns; j += kBlockColumns) {
      roundBlock(tile + i * stride + j, stride, std::min(kBlockRows, rows - i),
                 std::min(kBlockColumns, columns - j), i, j, places);
    }
  }
}

TORCHVAE_VECTORIZED void sumPairedColumns(const Bf16* pairs, int64_t stride, int64_t rows, int64_t columns,
                                          float* sums) {
  const auto* from = reinterpret_cast<const uint32_t*>(pairs);
  for (int64_t j = 0; j < columns; ++j) sums[j] = 0;
  for (int64_t i = 0; i < even(rows) / 2; ++i) {
    const uint32_t* row = from + i * (stride / 2);
    for (int64_t j = 0; j < columns; ++j) {
      sums[j] += std::bit_cast<float>(row[j] << 16) + std::bit_cast<float>(row[j] & 0xffff0000u);
    }
  }
}

}  // namespace torchvae::cpu
