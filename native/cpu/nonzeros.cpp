#include "cpu/nonzeros.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <numeric>
#include <string>
#include <string_view>

#include "cpu/intrinsics.h"
#include "error.h"

namespace torchvae::cpu {
namespace {

constexpr int64_t kWord = 64;
// Tiles whose columns' bits fit one word.
constexpr int64_t kTilesAtOnce = kWord / InputTiles::kColumns;

int64_t groupsOf(int64_t rows) {
  return (rows + Nonzeros::kRows - 1) / Nonzeros::kRows;
}

template <class T>
void makeRoom(std::vector<T>& values, int64_t count) {
  if (static_cast<int64_t>(values.size()) < count) values.resize(static_cast<size_t>(count));
}

// A bit for each of the values that is not zero; NaN is not.
TORCHVAE_AVX2 void markNonzeros(const float* values, int64_t count, uint64_t* words) {
  for (; count >= kWord; count -= kWord, values += kWord) {
    uint64_t bits = 0;
#pragma GCC unroll 8
    for (int i = 0; i < kWord; i += 8) {
      const __m256 differs = _mm256_cmp_ps(_mm256_loadu_ps(values + i), _mm256_setzero_ps(), _CMP_NEQ_UQ);
      bits |= static_cast<uint64_t>(_mm256_movemask_ps(differs)) << i;
    }
    *words++ = bits;
  }
  if (count == 0) return;
  *words = 0;
  for (int64_t i = 0; i < count; ++i) *words |= static_cast<uint64_t>(values[i] != 0) << i;
}

}  // namespace

bool skipsZeros() {
  const char* wanted = std::getenv("TORCHVAE_ZEROS");
  if (wanted == nullptr || *wanted == '\0') return true;
  if (std::string_view(wanted) == "multiply") return false;
  throw Error("ERR_RANGE", std::string("Expected multiply for TORCHVAE_ZEROS but received \"") + wanted +
                               "\"; leave it out to skip products with zeros");
}

bool Nonzeros::find(Pool& pool, const float* x, int64_t rows, int64_t columns, bool withTiles) {
  rows_ = rows;
  columns_ = columns;
  words_ = (columns + kWord - 1) / kWord + 1;
  const int64_t groups = groupsOf(rows);
  makeRoom(bits_, rows * words_);
  makeRoom(columnLists_, groups * columns);
  makeRoom(columnCounts_, groups);
  pool.run(groups, [&](int64_t group) { findColumns(group, x); });
  const int64_t found = std::accumulate(columnCounts_.begin(), columnCounts_.begin() + groups, int64_t{0});
  const bool areFew = 8 * found <= 7 * groups * columns;
  if (!areFew || !withTiles) return areFew;
  const int64_t tiles = InputTiles::count(columns);
  makeRoom(rowLists_, tiles * rows);
  makeRoom(rowCounts_, tiles);
  makeRoom(tileValues_, tiles * rows * InputTiles::kColumns);
  pool.run((tiles + kTilesAtOnce - 1) / kTilesAtOnce, [&](int64_t range) { findRows(range, x); });
  return true;
}

void Nonzeros::findColumns(int64_t group, const float* x) {
  const int64_t first = group * kRows;
  const int64_t last = std::min(first + kRows, rows_);
  for (int64_t row = first; row < last; ++row) {
    uint64_t* words = bits_.data() + row * words_;
    markNonzeros(x + row * columns_, columns_, words);
    words[words_ - 1] = 0;
  }
  int32_t* list = columnLists_.data() + group * columns_;
  int32_t count = 0;
  for (int64_t word = 0; word + 1 < words_; ++word) {
    uint64_t any = 0;
    for (int64_t row = first; row < last; ++row) any |= bits_[static_cast<size_t>(row * words_ + word)];
    const auto column = static_cast<int32_t>(word * kWord);
    for (; any != 0; any &= any - 1) list[count++] = column + std::countr_zero(any);
  }
  columnCounts_[static_cast<size_t>(group)] = count;
}

void Nonzeros::findRows(int64_t range, const float* x) {
  constexpr int64_t kColumns = InputTiles::kColumns;
  const int64_t first = range * kTilesAtOnce;
  const int64_t last = std::min(first + kTilesAtOnce, InputTiles::count(columns_));
  const int64_t column = first * kColumns;
  const int64_t shift = column % kWord;
  const uint64_t own = ~uint64_t{0} >> (kWord - (last - first) * kColumns);
  const uint64_t* word = bits_.data() + column / kWord;
  std::fill(rowCounts_.begin() + first, rowCounts_.begin() + last, 0);
  for (int64_t row = 0; row < rows_; ++row, word += words_) {
    uint64_t bits = (word[0] >> shift | word[1] << 1 << (kWord - 1 - shift)) & own;
    while (bits != 0) {
      const int64_t within = std::countr_zero(bits) / kColumns;
      const int64_t tile = first + within;
      const int64_t at = tile * rows_ + rowCounts_[static_cast<size_t>(tile)]++;
      rowLists_[static_cast<size_t>(at)] = static_cast<int32_t>(row);
      copyTileRow(x + row * columns_, columns_, tile, tileValues_.data() + at * kColumns);
      bits &= ~uint64_t{0} << (within + 1) * kColumns;
    }
  }
}

Steps Nonzeros::columnsOf(int64_t group) const {
  return {columnLists_.data() + group * columns_, columnCounts_[static_cast<size_t>(group)]};
}

InputTiles Nonzeros::tiles() const {
  return {tileValues_.data(), rows_, rowLists_.data(), rowCounts_.data()};
}

}  // namespace torchvae::cpu
