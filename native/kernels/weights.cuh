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

// Of every tile of weights.
constexpr int kWeightThreads = kTiles[kFirstWeightTile].threads();

// Below this a gradient's square is finite too, with room to spare.
constexpr float kGradientBound = 1e19f;

// Whether every gradient of the batch is sure to be finite. The same in every thread of every block.
__device__ inline bool areBounded(const WeightsArguments& a) {
  uint32_t largest[2] = {0, 0};
  for (int i = threadIdx.x; i < a.activationCount; i += kWeightThreads)
    largest[0] = a.activations[i] > largest[0] ? a.activations[i] : largest[0];
  for (int i = threadIdx.x; i < a.deltaCount; i += kWeightThreads)
    largest[1] = a.deltas[i] > largest[1] ? a.deltas[i] : largest[1];
  blockMax(largest);
  const float activation = __uint_as_float(largest[0]);
  const float input = a.inputMagnitude;
  const float x = activation + (input > 1 ? input : 1.0f);  // NaN stays NaN
  return x * __uint_as_float(largest[1]) * static_cast<float>(a.update.rows) < kGradientBound;
}

// Of a tile's values in groups of kVector, those that one thread takes.
template <class Tile, int kVector>
constexpr int kGroupsOfThread =
    (Tile::kRows * Tile::kColumns / kVector + kWeightThreads - 1) / kWeightThreads;

// A thread's parameters of a tile as they were when the kernel began, asked for early; there are no registers
// for the second moments too, which go to shared memory.
template <class Tile, int kVector>
struct HeldTile {
  static constexpr int kCount = kGroupsOfThread<Tile, kVector>;
  Floats<kVector> value[kCount], first[kCount];
};
// Where a thread's kth second moments lie there, behind the product.
template <class Tile, int kVector>
__device__ inline float* heldSecond(float* shared, int k) {
  constexpr int kProduct = productBytes(Tile::kShape, kDepthAlongColumns, kDepthAlongColumns) / 4;
  return shared + kProduct + (k * kWeightThreads + static_cast<int>(threadIdx.x)) * kVector;
}

template <int kVector>
__device__ inline Floats<kVector> held(const void* values, int64_t at) {
  return loadFromL2(reinterpret_cast<const Floats<kVector>*>(static_cast<const float*>(values) + at));
}
template <int kVector>
__device__ inline void put(void* values, int64_t at, const Floats<kVector>& x) {
  *reinterpret_cast<Floats<kVector>*>(static_cast<float*>(values) + at) = x;
}

// The update of neighboring parameters by their gradients.
template <int kVector>
__device__ inline void updateAt(const OptimizeArguments& a, const Update<float>& u, int64_t at,
                                const Floats<kVector>& g, Floats<kVector> value, Floats<kVector> first,
                                Floats<kVector> second) {
#pragma unroll
  for (int i = 0; i < kVector; ++i) value.of[i] = updated(u, value.of[i], g.of[i], first.of[i], second.of[i]);
  put(a.values, at, value);
  put(a.first, at, first);
  put(a.second, at, second);
}
__device__ inline void updateAt(const OptimizeArguments& a, const Update<float>& u, int64_t at, float g) {
  updateAt<1>(a, u, at, {g}, held<1>(a.values, at), held<1>(a.first, at), held<1>(a.second, at));
}

// By the block that ends last, where the gradients are in memory. Returns whether they are finite.
__device__ inline bool updateByGradients(const WeightsArguments& a, const Update<float>& u) {
  double mine = 0;
  for (int i = threadIdx.x; i < static_cast<int>(gridDim.x); i += kWeightThreads) mine += a.squares[i];
  if (!finite(blockSum(mine))) return false;
#pragma unroll 1
  for (int64_t i = threadIdx.x; i < a.update.count; i += kWeightThreads)
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

// Calls body(k, place in the flat parameters, row and column in the tile) for the tile's groups of kVector
// neighboring values that are this thread's, the kth.
template <class Tile, int kVector, class Body>
__device__ inline void forWeights(const WeightTile& tile, const Body& body) {
  constexpr int kAcross = Tile::kColumns / kVector;
#pragma unroll
  for (int k = 0; k < kGroupsOfThread<Tile, kVector>; ++k) {
    const int i = k * kWeightThreads + static_cast<int>(threadIdx.x);
    const int m = i / kAcross;
    const int n = i % kAcross * kVector;
    if (m < Tile::kRows && tile.row + m < tile.layer.in && tile.column + n < tile.layer.out) {
      body(k, tile.layer.weight + static_cast<int64_t>(tile.row + m) * tile.layer.out + tile.column + n, m,
           n);
    }
  }
}

// What is to be done with the batch's gradients.
enum Verdict {
  kApply,  // they are sure to be finite: each tile is used up at once
  kWrite,  // they go to memory, to be judged there
  kLeave,  // the batch does not count: its loss is not finite, or the run has stopped
};

__device__ inline Verdict judged(const WeightsArguments& a) {
  if (a.mode != kUpdateAtOnce) return kWrite;
  const StepState& state = *a.update.state;
  if (state.stopped != 0 || !finite(state.batchLoss)) return kLeave;
  return areBounded(a) ? kApply : kWrite;
}

// Writes a tile's gradients and its biases'; returns the sum of their squares over the block.
template <class Tile>
__device__ inline double writeTile(const WeightsArguments& a, const WeightTile& tile, const float* shared,
                                   const float* bias) {
  double squares = 0;
  const auto write = [&](int64_t at, float g) {
    a.gradients[at] = g;
    squares += static_cast<double>(g * g);
  };
#pragma unroll 1
  for (int i = threadIdx.x; i < Tile::kRows * Tile::kColumns; i += kWeightThreads) {
    const int m = i / Tile::kColumns;
    const int n = i % Tile::kColumns;
    if (tile.row + m < tile.layer.in && tile.column + n < tile.layer.out) {
      write(tile.layer.weight + static_cast<int64_t>(tile.row + m) * tile.layer.out + tile.column + n,
            Tile::sum(shared, m, n));
    }
  }
  if (bias != nullptr) write(tile.layer.bias + tile.column + static_cast<int>(threadIdx.x), *bias);
  return blockSum(squares);
}

// Notes that this block has read what it needs of the state; the block that does so last ends the step.
// Without a barrier, since the answer may come when it likes: nothing but the end of the step waits for it.
struct Arrival {
  unsigned before;
};
__device__ inline Arrival arrive(StepState& state) {
  return {threadIdx.x == 0 ? atomicAdd(&state.ticket, 1u) : 0};
}
__device__ inline bool isLast(const Arrival& arrival) {
  return threadIdx.x == 0 && arrival.before == gridDim.x - 1;
}

// Grid: the tiles of all layers' weights, in turn.
template <class Program>
__device__ inline void weights(const WeightsArguments& a) {
  constexpr int kVector = Program::kVector;
  using Tile = Product<Program::kPrecision, Program::kTile, kDepthAlongColumns, kDepthAlongColumns>;
  TORCHVAE_DYNAMIC_SHARED(shared);
  __shared__ Update<float> ofAll;
  const WeightTile tile = weightTileOf<Tile>(a);
  const WeightLayer& layer = tile.layer;
  const bool isUpdate = a.mode == kUpdateAtOnce;
  HeldTile<Tile, kVector> before = {};
  if (isUpdate) {
    // Last written a step ago: the kernels between have waited for that.
    forWeights<Tile, kVector>(tile, [&](int k, int64_t at, int /*m*/, int /*n*/) {
      before.value[k] = held<kVector>(a.update.values, at);
      before.first[k] = held<kVector>(a.update.first, at);
      beginCopy<4 * kVector>(heldSecond<Tile, kVector>(shared, k),
                             static_cast<const float*>(a.update.second) + at, 4 * kVector);
    });
  }
  awaitPrevious();
  admitNext();
  const int unit = threadIdx.x;
  const bool hasBias = tile.row == 0 && unit < Tile::kColumns && tile.column + unit < layer.out;
  float bias = 0;
  Verdict verdict = kWrite;
  Tile::run(
      shared, {layer.x, a.update.rows, layer.in, layer.xStride},
      {layer.delta, a.update.rows, layer.out, layer.deltaStride}, tile.row, tile.column, a.update.rows,
      [&](const float* delta) {
        if (!hasBias) return;
#pragma unroll 8
        for (int k = 0; k < Tile::kDepth; ++k) bias += Tile::Right::at(delta, unit, k);
      },
      [&] {
        if (isUpdate && threadIdx.x == 0) ofAll = makeUpdate<float>(a.update, 0);
        verdict = judged(a);
      });
  Update<float> u = ofAll;
  u.kind = Program::kOptimizer;
  if (verdict == kApply) {
    const Arrival arrival = arrive(*a.update.state);
    forWeights<Tile, kVector>(tile, [&](int k, int64_t at, int m, int n) {
      updateAt<kVector>(a.update, u, at, Tile::template sums<kVector>(shared, m, n), before.value[k],
                        before.first[k],
                        *reinterpret_cast<const Floats<kVector>*>(heldSecond<Tile, kVector>(shared, k)));
    });
    if (hasBias) updateAt(a.update, u, layer.bias + tile.column + unit, bias);
    if (isLast(arrival)) endStep(a.update, true);
    return;
  }
  if (verdict == kWrite) {
    const double squares = writeTile<Tile>(a, tile, shared, hasBias ? &bias : nullptr);
    if (threadIdx.x == 0) a.squares[blockIdx.x] = squares;
  }
  if (!isUpdate || !isLastBlock(*a.update.state)) return;
  const bool isFinite = verdict == kWrite && updateByGradients(a, u);
  __syncthreads();
  if (threadIdx.x == 0) endStep(a.update, isFinite);
}

}  // namespace torchvae::kernels
