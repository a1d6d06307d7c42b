// The decoder's last layer with the likelihood of the batch's values, and the gradient in what it gave.
#pragma once

#include "dense.cuh"
#include "likelihood.cuh"

namespace torchvae::kernels {

// Grid: the tiles of the layer's output, those of one row after another.
template <class Program>
__device__ inline void output(const OutputArguments& a) {
  using Tile = Product<Program::kPrecision, Program::kOutputTile, kDepthAlongRows, kDepthAlongColumns,
                       Program::kVector>;
  TORCHVAE_DYNAMIC_SHARED(shared);
  const int across = (a.out + Tile::kColumns - 1) / Tile::kColumns;
  const int row = static_cast<int>(blockIdx.x) / across * Tile::kRows;
  const int column = static_cast<int>(blockIdx.x) % across * Tile::kColumns;
  Tile::run(shared, {a.h, a.rows, a.in, a.hStride}, {a.weight, a.in, a.out, a.out}, row, column, a.in);
  const float weight = a.scale / static_cast<float>(a.rows);
  uint32_t largest = 0;
  struct Given {
    float x, bias;
  };
  forTile<Tile>(
      shared, row, column, a.rows, a.out,
      [&](int i, int j) {
        return Given{a.x[static_cast<int64_t>(i) * a.xStride + j], a.bias[j]};
      },
      [&](int i, int j, float sum, const Given& given) {
        const ValueAndSlope<float> term =
            likelihoodTerm(Program::kLikelihood, a.sigmoid != 0, given.x, sum + given.bias);
        const float delta = term.slope * weight;
        a.delta[static_cast<int64_t>(i) * a.deltaStride + j] = delta;
        // In place of the sum, which this thread alone reads.
        shared[(i - row) * Tile::kSumStride + j - column] = term.value;
        include(largest, magnitudeBits(delta));
      });
  largest = blockMax<Tile::kThreads>(largest);  // a barrier too
  if (threadIdx.x == 0) a.magnitudes[blockIdx.x] = largest;
  const int m = threadIdx.x;
  if (m >= Tile::kRows || row + m >= a.rows) return;
  const int columns = a.out - column < Tile::kColumns ? a.out - column : Tile::kColumns;
  float loss = 0;
#pragma unroll 4
  for (int n = 0; n < columns; ++n) loss += shared[m * Tile::kSumStride + n];
  a.losses[static_cast<int64_t>(blockIdx.x) % across * a.rows + row + m] = loss;
}

}  // namespace torchvae::kernels
