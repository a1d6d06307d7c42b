// The precision of products, and the shapes of tiles in which blocks compute them: read by the kernels, and
// by the engine, which has to know how many blocks a product takes and how much shared memory.
#pragma once

namespace torchvae::kernels {

// How the factors of a product are rounded; sums are of float32.
enum Precision : int {
  kFloat32,  // not: each is split into two tf32, and of their four products the three largest are taken
  kTf32,     // to 10 bits behind the point
  kBf16,     // to 7
};

constexpr int kWarps = 8;  // of a block of the products' kernels
constexpr int kBlockThreads = 32 * kWarps;
constexpr int kStages = 3;  // chunks of factors that are on their way or in use

// How a factor lies in memory: the product's depth along its rows, or along its columns.
enum Layout : int { kDepthAlongRows, kDepthAlongColumns };

// A tile [rows, columns] of a product. Each of the block's warps computes a part of it over a share of the
// depth.
struct TileShape {
  int warpRows, warpColumns;  // a warp's part, in tiles of 16 x 8
  int down, across, deep;     // warps over the tile's rows, over its columns, over the depth

  constexpr int rows() const { return 16 * warpRows * down; }
  constexpr int columns() const { return 8 * warpColumns * across; }
  // Of the depth, what is in shared memory at a time: at least 16 for each warp.
  constexpr int chunk() const { return deep > 1 ? 16 * deep : 32; }
};

constexpr TileShape kTiles[] = {
    // For products whose rows are the batch's: fewer rows take smaller tiles, so that every multiprocessor
    // has
    // one. The warps of a small tile share out its depth.
    {2, 2, 1, 1, 8},  // 32 x 16
    {2, 2, 1, 2, 4},  // 32 x 32
    {2, 2, 2, 2, 2},  // 64 x 32
    {2, 2, 2, 4, 1},  // 64 x 64
    // For the few rows that one block takes from one product to the next.
    {1, 5, 1, 1, 8},  // 16 x 40, of a long depth
    {1, 2, 1, 8, 1},  // 16 x 128, of a short one
};
constexpr int kTileChoices = 4;  // the first of these
constexpr int kDeepStrip = 4;
constexpr int kWideStrip = 5;
constexpr int kStripRows = kTiles[kDeepStrip].rows();
static_assert(kStripRows == kTiles[kWideStrip].rows());

// Rows of shared memory, in floats. A warp reads 8 groups of 4 members (mma.cuh): along rows at 8 strides +
// 0,
// ..., 3, across rows at 4 strides + 0, ..., 7. They lie in 32 different banks where the stride is 4 more
// than a multiple of 8 in the first case, 8 more than a multiple of 16 in the second.
constexpr int strideAlong(int depth) {
  return depth + 4;
}
constexpr int strideAcross(int width) {
  return (width + 7) / 16 * 16 + 8;
}

// Floats of a chunk of a factor of `width` rows or columns.
constexpr int chunkFloats(Layout layout, int width, int depth) {
  return layout == kDepthAlongRows ? width * strideAlong(depth) : depth * strideAcross(width);
}

// Floats of shared memory that a product takes: its stages, then in their place the sums of every share of
// the depth.
constexpr int productFloats(const TileShape& tile, Layout left, Layout right) {
  const int stage =
      chunkFloats(left, tile.rows(), tile.chunk()) + chunkFloats(right, tile.columns(), tile.chunk());
  const int sums = tile.deep * tile.rows() * strideAcross(tile.columns());
  return kStages * stage > sums ? kStages * stage : sums;
}

}  // namespace torchvae::kernels
