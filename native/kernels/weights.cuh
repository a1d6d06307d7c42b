// All weights' gradients in one launch, and with each tile of them the update: a gradient need not go through
// memory.
//
// Whether all of them are finite is known beforehand where the magnitudes of what they are made of bound
// them. Where they do not, the gradients are written instead, and the block that ends last judges all and
// updates.
#pragma once

#include "optimizer.cuh"
#include "perceptron_arguments.h"
#include "product.cuh"

namespace torchvae::kernels {

// Below this a gradient's square is finite too, with room to spare.
constexpr double kGradientBound = 1e19;

__device__ inline uint32_t largestOf(const uint32_t* magnitudes, int count) {
  uint32_t largest = 0;
  for (int i = threadIdx.x; i < count; i += kBlockThreads)
    largest = magnitudes[i] > largest ? magnitudes[i] : largest;
  return blockMax(largest);
}

// Whether every gradient of the batch is sure to be finite. The same in every thread of every block.
__device__ inline bool areBounded(const WeightsArguments& a) {
  const double activation = __uint_as_float(largestOf(a.activations, a.activationCount));
  const double delta = __uint_as_float(largestOf(a.deltas, a.deltaCount));
  const double input = a.inputMagnitude;
  const double x = activation + (input > 1 ? input : 1.0);  // NaN stays NaN
  return x * delta * a.update.rows < kGradientBound;
}

// A thread's parameters of a tile as they were when the kernel began, asked for early.
template <class Tile>
struct HeldTile {
  static constexpr int kCount = Tile::kRows * Tile::kColumns / kBlockThreads;
  float value[kCount], first[kCount], second[kCount];
};

__device__ inline void storeUpdated(const OptimizeArguments& a, int64_t at, float value, float m, float v) {
  static_cast<float*>(a.values)[at] = value;
  static_cast<float*>(a.first)[at] = m;
  static_cast<float*>(a.second)[at] = v;
  if (a.shadow != nullptr) static_cast<Bf16*>(a.shadow)[at] = toBf16(value);
}

// A parameter's update from its gradient.
__device__ inline void updateAt(const OptimizeArguments& a, const Update<float>& u, int64_t at, float g) {
  float m = static_cast<float*>(a.first)[at], v = static_cast<float*>(a.second)[at];
  const float value = updated(u, static_cast<float*>(a.values)[at], g, m, v);
  storeUpdated(a, at, value, m, v);
}

// By the block that ends last, where the gradients are in memory. Returns whether they are finite.
__device__ inline bool updateByGradients(const WeightsArguments& a, const Update<float>& u) {
  double mine = 0;
  for (int i = threadIdx.x; i < static_cast<int>(gridDim.x); i += kBlockThreads) mine += a.squares[i];
  if (!finite(blockSum(mine))) return false;
#pragma unroll 1
  for (int64_t i = threadIdx.x; i < a.update.count; i += kBlockThreads)
    updateAt(a.update, u, i, loadFromL2(a.gradients + i));
  return true;
}

// Whether this block is the last of the grid to come here. What the others wrote before is then there.
__device__ inline bool isLastBlock(StepState& state) {
  __shared__ bool isLast;
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    isLast = atomicAdd(&state.ticket, 1u) == gridDim.x - 1;
    __threadfence();
  }
  __syncthreads();
  return isLast;
}

// A layer's tile of this block.
struct WeightTile {
  const WeightLayer& layer;
  int row, column;  // of W [in, out]
};
template <class Tile>
__device__ inline WeightTile weightTileOf(const WeightsArguments& a) {
  const int block = blockIdx.x;
  int l = 0;
  while (l + 1 < a.layers && a.layer[l + 1].firstBlock <= block) ++l;
  const int across = (a.layer[l].out + Tile::kColumns - 1) / Tile::kColumns;
  const int own = block - a.layer[l].firstBlock;
  return {a.layer[l], own / across * Tile::kRows, own % across * Tile::kColumns};
}

// Calls body(k, place in the flat parameters, row and column in the tile) for the tile's values k of this
// thread.
template <class Tile, class Body>
__device__ inline void forWeights(const WeightTile& tile, const Body& body) {
#pragma unroll
  for (int k = 0; k < Tile::kRows * Tile::kColumns / kBlockThreads; ++k) {
    const int i = k * kBlockThreads + static_cast<int>(threadIdx.x);
    const int m = i / Tile::kColumns;
    const int n = i % Tile::kColumns;
    if (tile.row + m < tile.layer.in && tile.column + n < tile.layer.out) {
      body(k, tile.layer.weight + static_cast<int64_t>(tile.row + m) * tile.layer.out + tile.column + n, m,
           n);
    }
  }
}

// The gradients of a tile, and of the biases above it. At once they are used up; else they are written, and
// the sum of their squares is returned.
template <class Program, class Tile>
__device__ inline double takeTile(const WeightsArguments& a, const WeightTile& tile, const Update<float>& u,
                                  bool atOnce, const HeldTile<Tile>& held, float* shared) {
  const WeightLayer& layer = tile.layer;
  float bias = 0;
  const int unit = threadIdx.x;
  const bool hasBias = tile.row == 0 && unit < Tile::kColumns && tile.column + unit < layer.out;
  Tile::run(shared, {layer.x, a.update.rows, layer.in, layer.xStride},
            {layer.delta, a.update.rows, layer.out, layer.deltaStride}, tile.row, tile.column, a.update.rows,
            [&](const float* delta, int depth) {
              if (!hasBias) return;
              for (int k = 0; k < Tile::kDepth && k < depth; ++k) bias += Tile::Right::at(delta, unit, k);
            });
  double squares = 0;
  const auto write = [&](int64_t at, float g) {
    a.gradients[at] = g;
    squares += static_cast<double>(g * g);
  };
  forWeights<Tile>(tile, [&](int k, int64_t at, int m, int n) {
    const float g = Tile::sum(shared, m, n);
    if (!atOnce) return write(at, g);
    float first = held.first[k], second = held.second[k];
    const float value = updated(u, held.value[k], g, first, second);
    storeUpdated(a.update, at, value, first, second);
  });
  if (!hasBias) return squares;
  const int64_t at = layer.bias + tile.column + unit;
  if (atOnce) {
    updateAt(a.update, u, at, bias);
  } else {
    write(at, bias);
  }
  return squares;
}

// Grid: the tiles of all layers' weights, in turn.
template <class Program>
__device__ inline void weights(const WeightsArguments& a) {
  using Tile = Product<Program::kPrecision, Program::kTile, kDepthAlongColumns, kDepthAlongColumns>;
  TORCHVAE_DYNAMIC_SHARED(shared);
  __shared__ Update<float> ofAll;
  const WeightTile tile = weightTileOf<Tile>(a);
  HeldTile<Tile> held = {};
  const bool isUpdate = a.mode == kUpdateAtOnce;
  if (isUpdate) {
    // Last written a step ago: the kernels between have waited for that.
    forWeights<Tile>(tile, [&](int k, int64_t at, int /*m*/, int /*n*/) {
      held.value[k] = loadFromL2(static_cast<const float*>(a.update.values) + at);
      held.first[k] = loadFromL2(static_cast<const float*>(a.update.first) + at);
      held.second[k] = loadFromL2(static_cast<const float*>(a.update.second) + at);
    });
  }
  awaitPrevious();
  admitNext();
  StepState& state = *a.update.state;
  const bool isLive = !isUpdate || (state.stopped == 0 && finite(state.batchLoss));
  const bool atOnce = isUpdate && isLive && areBounded(a);
  if (isUpdate && threadIdx.x == 0) ofAll = makeUpdate<float>(a.update, 0);
  __syncthreads();
  Update<float> u = ofAll;
  u.kind = Program::kOptimizer;
  if (isLive) {
    const double squares = blockSum(takeTile<Program, Tile>(a, tile, u, atOnce, held, shared));
    if (threadIdx.x == 0) a.squares[blockIdx.x] = squares;
  }
  if (!isUpdate || !isLastBlock(state)) return;
  const bool isFinite = atOnce || (isLive && updateByGradients(a, u));
  __syncthreads();
  if (threadIdx.x == 0) endStep(a.update, isFinite);
}

}  // namespace torchvae::kernels
