// The shapes of the tiles in which blocks compute products: read by the kernels, and
// by the engine, which has to know how many blocks a product takes and how much shared memory.
#pragma once

namespace torchvae::kernels {

// Chunks of factors that are on their way or in use. Few rows wait for what comes from the second-level
// cache, and more is on its way at a time where a device has the memory (perceptron.cpp).
constexpr int kStages = 3, kMostStages = 4;

// How a factor lies in memory: the product's depth along its rows, or along its columns.
enum Layout : int { kDepthAlongRows, kDepthAlongColumns };

// A tile [rows, columns] of a product, by a block. Each of its warps computes a part of it over a share of
// the depth.
struct TileShape {
  int warpRows, warpColumns;  // a warp's part, in tiles of 16 x 8
  int down, across, deep;     // warps over the tile's rows, over its columns, over the depth
  int chunk;                  // of the depth, what is in shared memory at a time

  constexpr int rows() const { return 16 * warpRows * down; }
  constexpr int columns() const { return 8 * warpColumns * across; }
  constexpr int threads() const { return 32 * down * across * deep; }
};

constexpr TileShape kTiles[] = {
    // For products whose rows are the batch's: the smallest tile that gives no multiprocessor a second. Eight
    // warps share out the depth of a small one; sixteen take a third more instructions, and the same time.
    {2, 2, 1, 1, 8, 128},  // 32 x 16
    {2, 4, 1, 1, 8, 64},   // 32 x 32
    {2, 4, 2, 1, 4, 64},   // 64 x 32
    {2, 4, 2, 2, 2, 32},   // 64 x 64
    {2, 4, 4, 2, 1, 32},   // 128 x 64
    // For the few rows that one block takes from one product to the next.
    {1, 5, 1, 1, 8, 128},  // 16 x 40, of a long depth
    {1, 4, 1, 4, 2, 32},   // 16 x 128, of a short one
    // For the weights' gradients, whose depth is the batch.
    {2, 2, 1, 1, 8, 128},  // 32 x 16
    {2, 2, 1, 2, 4, 64},   // 32 x 32
    {2, 4, 2, 1, 4, 64},   // 64 x 32
    {2, 4, 2, 2, 2, 32},   // 64 x 64
    // For the weights' gradients of convolutions of few channels, beside those.
    {1, 4, 2, 4, 1, 32},  // 32 x 128
    // For images of few channels, beside the first ones.
    {2, 1, 4, 1, 2, 32},  // 128 x 8
    {2, 4, 4, 1, 2, 32},  // 128 x 32
};
constexpr int kBatchTiles = 5;  // the first of these
constexpr int kDeepStrip = 5;
constexpr int kWideStrip = 6;
constexpr int kFirstWeightTile = 7;
constexpr int kWeightTiles = 4;
constexpr int kPatchTile = 11;
constexpr int kNarrowImageTile = 12;
constexpr int kImageTile = 13;
constexpr int kStripRows = kTiles[kDeepStrip].rows();
constexpr int kStripThreads = kTiles[kDeepStrip].threads();
constexpr int threadsOf(int tile) {
  return kTiles[tile].threads();
}
static_assert(kStripRows == kTiles[kWideStrip].rows() && kStripThreads == kTiles[kWideStrip].threads());

// Rows of shared memory, in values of 4 bytes; of 2 it holds as well. A warp reads 8 groups of 4 members
// (mma.cuh): along rows at 8 strides plus 0 to 3, across rows at 4 strides plus 0 to 7. They lie in 32
// different banks where the stride is 4 more than a multiple of 8 in the first case, 8 more than a multiple
// of 16 in the second.
// Copies of 16 bytes need rows of whole such.
constexpr int strideAlong(int depth, int ofValue = 4) {
  return depth + 16 / ofValue;
}
constexpr int strideAcross(int width) {
  return (width + 7) / 16 * 16 + 8;
}

// For rows that threads read in fours, each thread another row: an odd number of fours puts eight neighboring
// rows in different banks.
constexpr int strideOfFours(int width) {
  return (width + 3) / 4 / 2 * 8 + 4;
}

// Values of a chunk of a factor of `width` rows or columns.
constexpr int chunkValues(Layout layout, int width, int depth, int ofValue = 4) {
  return layout == kDepthAlongRows ? width * strideAlong(depth, ofValue) : depth * strideAcross(width);
}

// Bytes of shared memory that a product of factors of so many bytes takes: its stages, then in their place
// the sums of every share of the depth.
constexpr int productBytes(const TileShape& tile, Layout left, Layout right, int ofValue = 4,
                           int stages = kStages) {
  const int stage = chunkValues(left, tile.rows(), tile.chunk, ofValue) +
                    chunkValues(right, tile.columns(), tile.chunk, ofValue);
  const int sums = 4 * tile.deep * tile.rows() * strideAcross(tile.columns());
  return stages * stage * ofValue > sums ? stages * stage * ofValue : sums;
}

// Kernels that take whole rows of the batch, a few by a block (latent_rows.cuh).
constexpr int kRowThreads = 512;

// The tile of outputBack(): 16 x rowTiles rows, 8 x outTiles columns of the layer's output, and all of the
// layer's input, `in` wide.
constexpr int kOutputBackWarps = 8;
constexpr int kOutputBackThreads = 32 * kOutputBackWarps;
struct OutputBackShape {
  int rowTiles, outTiles, in;

  constexpr int rows() const { return 16 * rowTiles; }
  constexpr int columns() const { return 8 * outTiles; }
  constexpr int depth() const { return (in + 15) / 16 * 16; }  // whole steps of every precision
  constexpr int weightStride() const { return strideAcross(columns()); }
  constexpr int deltaStride() const { return strideAlong(columns()); }  // also of x
  // Shared memory in floats, in this order: the layer's weights, what it takes or in its place the sums of
  // each share of the depth, x, the delta.
  constexpr int weightFloats() const { return depth() * weightStride(); }
  constexpr int factorFloats() const {
    const int taken = rows() * strideAlong(depth());
    const int sums = kOutputBackWarps * 16 * weightStride();
    return taken > sums ? taken : sums;
  }
  constexpr int bytes() const { return 4 * (weightFloats() + factorFloats() + 2 * rows() * deltaStride()); }
};

}  // namespace torchvae::kernels
