// The thread pool alone: many regions of a few tiles, each tile once, its writes seen by who asked for
// them. Built with a sanitizer of threads, or without one for valgrind.
#include "cpu/pool.h"

#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <vector>

namespace {

void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "pool: %s\n", what);
  std::exit(1);
}

}  // namespace

int main(int count, char** arguments) {
  const int regions = count > 1 ? std::atoi(arguments[1]) : 20000;
  for (const int threads : {1, 2, 3, 8}) {
    torchvae::Pool pool(threads);
    std::vector<int64_t> cells(64);
    for (int region = 0; region < regions; ++region) {
      const auto tiles = static_cast<int64_t>(region % 64);
      std::fill(cells.begin(), cells.end(), 0);
      // Plain memory: what a tile writes must be seen here without another lock.
      pool.run(tiles, [&](int64_t tile) { cells[static_cast<size_t>(tile)] += tile + region; });
      const int64_t sum = std::accumulate(cells.begin(), cells.end(), int64_t{0});
      check(sum == tiles * (tiles - 1) / 2 + tiles * region, "a tile was left out or taken twice");
    }
  }
  // More tiles than a share can count.
  torchvae::Pool pool(2);
  std::vector<uint8_t> taken((1 << 20) + 100);
  pool.run(static_cast<int64_t>(taken.size()), [&](int64_t tile) { ++taken[static_cast<size_t>(tile)]; });
  for (const uint8_t each : taken) check(each == 1, "a tile of many was left out or taken twice");
  std::puts("pool: done");
}
