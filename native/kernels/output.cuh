// The decoder's last layer with the likelihood of the batch's values, and the gradient in what it gave.
#pragma once

#include "dense.cuh"
#include "likelihood.cuh"

namespace torchvae::kernels {

// Grid: the tiles of the layer's output, those of one row after another.
template <class Program>
__device__ inline void output(const OutputArguments& a) {
  using Tile = Product<Program::kPrecision, Program::kOutputTile, kDepthAlongRows, kDepthAlongColumns,
                       Program::kVector, float, Program>;
  TORCHVAE_DYNAMIC_SHARED(shared);
  const int across = (a.out + Tile::kColumns - 1) / Tile::kColumns;
  const int row = static_cast<int>(blockIdx.x) / across * Tile::kRows;
  const int column = static_cast<int>(blockIdx.x) % across * Tile::kColumns;
  Tile::run(shared, {a.h, a.rows, a.in, a.hStride}, {a.weight, a.in, a.out, a.out}, row, column, a.in);
  const float weight = a.scale / static_cast<float>(a.rows);
  uint32_t largest = 0;
  struct Given {
    Floats<4> x, bias;
  };
  forGroups<Tile>(
      shared, row, column, a.rows, a.out,
      [&](const Group& g) {
        return Given{
            groupAt<Program::kVector>(a.x + static_cast<int64_t>(g.row) * a.xStride + g.column, g.left),
            groupAt<Program::kVector>(a.bias + g.column, g.left)};
      },
      [&](const Group& g, const Floats<4>& sums, const Given& given) {
        Floats<4> delta;
        float loss = 0;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          const ValueAndSlope<float> term = likelihoodTerm(Program::kLikelihood, a.sigmoid != 0,
                                                           given.x.of[k], sums.of[k] + given.bias.of[k]);
          delta.of[k] = term.slope * weight;
          if (k >= g.left) continue;
          loss += term.value;
          include(largest, magnitudeBits(delta.of[k]));
        }
        putGroup<Program::kVector>(a.delta + static_cast<int64_t>(g.row) * a.deltaStride + g.column, delta,
                                   g.left);
        // The row's groups are those of neighboring lanes.
        for (int offset = Tile::kColumns / 8; offset > 0; offset >>= 1)
          loss += __shfl_xor_sync(0xffffffffu, loss, offset);
        if (g.column == column && g.row < a.rows)
          a.losses[static_cast<int64_t>(blockIdx.x) % across * a.rows + g.row] = loss;
      });
  largest = blockMax(largest);
  if (threadIdx.x == 0) a.magnitudes[blockIdx.x] = largest;
}

}  // namespace torchvae::kernels
