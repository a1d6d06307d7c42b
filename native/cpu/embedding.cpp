#include "cpu/embedding.h"

#include <algorithm>
#include <vector>

#include "cpu/ranges.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

// The places of `chosen` that name a row: order[first, last).
struct Run {
  int64_t row, first, last;
};

struct Runs {
  std::vector<int64_t> order;
  std::vector<Run> runs;
};

// Sorts by counting, so that places of one row keep their order.
Runs sortByRow(int64_t rows, const int32_t* chosen, int64_t count) {
  std::vector<int64_t> next(static_cast<size_t>(rows));
  for (int64_t i = 0; i < count; ++i) ++next[static_cast<size_t>(chosen[i])];
  Runs sorted;
  sorted.order.resize(static_cast<size_t>(count));
  int64_t first = 0;
  for (int64_t row = 0; row < rows; ++row) {
    int64_t& places = next[static_cast<size_t>(row)];
    const int64_t last = first + places;
    if (places > 0) sorted.runs.push_back({row, first, last});
    places = first;
    first = last;
  }
  for (int64_t i = 0; i < count; ++i) {
    sorted.order[static_cast<size_t>(next[static_cast<size_t>(chosen[i])]++)] = i;
  }
  return sorted;
}

TORCHVAE_VECTORIZED void addRow(const float* __restrict from, int64_t width, float* __restrict to) {
  for (int64_t c = 0; c < width; ++c) to[c] += from[c];
}

}  // namespace

void gatherRows(Pool& pool, const Table& shape, const float* table, const int32_t* chosen, int64_t count,
                float* to) {
  constexpr int64_t kRange = 512;
  forRanges(pool, count, kRange, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      std::copy_n(table + chosen[i] * shape.width, shape.width, to + i * shape.width);
    }
  });
}

void addToRows(Pool& pool, const Table& shape, const float* from, const int32_t* chosen, int64_t count,
               float* table) {
  constexpr int64_t kMostTiles = 256;
  const Runs sorted = sortByRow(shape.rows, chosen, count);
  const auto runs = static_cast<int64_t>(sorted.runs.size());
  forRanges(pool, runs, (runs + kMostTiles - 1) / kMostTiles, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const Run& run = sorted.runs[static_cast<size_t>(r)];
      float* to = table + run.row * shape.width;
      for (int64_t i = run.first; i < run.last; ++i) {
        addRow(from + sorted.order[static_cast<size_t>(i)] * shape.width, shape.width, to);
      }
    }
  });
}

}  // namespace torchvae::cpu
