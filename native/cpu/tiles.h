// Matrices cut into tiles, and tiles shared out among threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/pool.h"
#include "cpu/vector.h"

namespace torchvae::cpu {

// A tiling of an [m, n] matrix.
struct Tiles {
  int64_t m, n, tileM, tileN;
  int64_t across() const { return (n + tileN - 1) / tileN; }
  int64_t count() const { return (m + tileM - 1) / tileM * across(); }
};

struct Tile {
  int64_t m0, m1, n0, n1;
  int64_t rows() const { return m1 - m0; }
  int64_t columns() const { return n1 - n0; }
};

// Tiles are numbered along the rows, so that neighbors, which one thread gets, share rows.
inline Tile tileAt(const Tiles& tiles, int64_t index) {
  const int64_t m0 = index / tiles.across() * tiles.tileM;
  const int64_t n0 = index % tiles.across() * tiles.tileN;
  return {m0, std::min(m0 + tiles.tileM, tiles.m), n0, std::min(n0 + tiles.tileN, tiles.n)};
}

// Tiles of 32 x 64, at which the GEMM kernel is within a few per cent of its best; smaller ones where these
// would be too few to keep the threads evenly busy.
inline Tiles balancedTiles(int64_t m, int64_t n, int threads) {
  Tiles tiles{m, n, 32, 64};
  if (tiles.count() < 4 * threads) tiles.tileN = 32;
  if (tiles.count() < 4 * threads) tiles.tileM = 16;
  return tiles;
}

// Below this many multiplications a region costs more to share than to do.
constexpr int64_t kSmallProduct = int64_t{1} << 16;

// Calls body(tile) for every tile; `work` is the number of multiplications in all.
template <class Body>
void forTiles(Pool& pool, const Tiles& tiles, int64_t work, const Body& body) {
  const auto one = [&](int64_t index) { body(tileAt(tiles, index)); };
  if (work < kSmallProduct) {
    for (int64_t index = 0; index < tiles.count(); ++index) one(index);
  } else {
    pool.run(tiles.count(), one);
  }
}

}  // namespace torchvae::cpu
