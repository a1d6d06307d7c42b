// Between the networks where batches are small: what latent.cuh does, a few whole rows of the batch a block,
// by plain multiply-adds. A row is so little work that a block waits most of the time; so weights, which the
// kernel before has not written, are on their way to shared memory before that one has ended.
#pragma once

#include "batch.cuh"
#include "latent.cuh"

namespace torchvae::kernels {

// The rows of this block.
struct BlockRows {
  int first, count;
};
template <class Program>
__device__ inline BlockRows blockRows(int rows) {
  const int first = static_cast<int>(blockIdx.x) * Program::kBlockRows;
  return {first, rows - first < Program::kBlockRows ? rows - first : Program::kBlockRows};
}

constexpr int inFours(int floats) {
  return (floats + 3) / 4 * 4;
}

// The head's values of the block's rows, from their parts; `parts` and `to` are in shared memory.
__device__ inline void addHeads(const LatentRowsArguments& a, const BlockRows& rows, const float* parts,
                                float* to) {
  const int size = 2 * a.latent;
  for (int i = threadIdx.x; i < rows.count * size; i += kRowThreads) {
    const float* from = parts + (i / size * a.slices) * size + i % size;
    float sum = 0;
#pragma unroll 8
    for (int slice = 0; slice < a.slices; ++slice) sum += from[slice * size];
    sum += a.headBias[i % size];
    to[i] = sum;
    a.head[static_cast<int64_t>(rows.first) * size + i] = sum;
  }
}

// z of the block's rows, a warp each, from heads and noise in shared memory to memory and to z in shared
// memory, whose rows are as wide as the layer that takes them: labels follow. Returns the largest magnitude
// that this thread has met.
__device__ inline uint32_t sampleRows(const LatentRowsArguments& a, const BlockRows& rows, const float* heads,
                                      const float* noise, float* z) {
  const int width = a.hidden.in;
  uint32_t largest = 0;
  for (int r = threadIdx.x / 32; r < rows.count; r += kRowThreads / 32) {
    const int64_t row = rows.first + r;
    float* ofRow = a.z + row * a.zStride;
    for (int j = a.latent + static_cast<int>(threadIdx.x) % 32; j < width; j += 32)
      z[r * width + j] = ofRow[j];
    const float kl =
        sampled(heads + r * 2 * a.latent, noise + r * a.latent, a.latent, [&](int j, float value) {
          z[r * width + j] = ofRow[j] = value;
          include(largest, magnitudeBits(value));
        });
    if (threadIdx.x % 32 == 0) a.kl[row] = kl;
  }
  return largest;
}

// The decoder's first hidden layer of the block's rows, a unit a thread. Returns as above.
template <class Program>
__device__ inline uint32_t finishRows(const ForwardArguments& a, const BlockRows& rows, const float* weights,
                                      const float* z) {
  const int32_t kind = activationOf<Program>(a.side);
  uint32_t largest = 0;
  for (int unit = threadIdx.x; unit < a.out; unit += kRowThreads) {
    const float bias = a.bias[unit];
    float sums[Program::kMostBlockRows] = {};
#pragma unroll 4
    for (int j = 0; j < a.in; ++j) {
      const float weight = weights[j * a.out + unit];
#pragma unroll
      for (int r = 0; r < Program::kBlockRows; ++r) sums[r] += z[r * a.in + j] * weight;
    }
#pragma unroll
    for (int r = 0; r < Program::kBlockRows; ++r) {
      if (r >= rows.count) continue;
      const float x = sums[r] + bias;
      const float y = activated(kind, x);
      const int64_t at = static_cast<int64_t>(rows.first + r) * a.yStride + unit;
      a.y[at] = y;
      if (a.slope != nullptr) a.slope[at] = slopeAt(kind, x, y);
      include(largest, magnitudeBits(y));
    }
  }
  return largest;
}

// Grid: a block for every kBlockRows rows.
template <class Program>
__device__ inline void latentRows(const LatentRowsArguments& a) {
  constexpr int kVector = Program::kVector;
  TORCHVAE_DYNAMIC_SHARED(shared);
  const ForwardArguments& next = a.hidden;
  const BlockRows rows = blockRows<Program>(a.rows);
  const int partSize = a.slices * 2 * a.latent;
  float* const parts = shared + inFours(a.staged);
  float* const heads = parts + inFours(Program::kBlockRows * partSize);
  float* const noise = heads + Program::kBlockRows * 2 * a.latent;
  float* const z = noise + Program::kBlockRows * a.latent;
  if (a.staged > 0) beginValues<kVector>(shared, next.weight, a.staged);
  beginValues<1>(noise, a.noise + static_cast<int64_t>(rows.first) * a.latent, rows.count * a.latent);
  awaitPrevious();
  admitNext();
  beginValues<kVector>(parts, a.heads + static_cast<int64_t>(rows.first) * partSize, rows.count * partSize);
  closeCopies();
  awaitCopies<0>();
  __syncthreads();
  addHeads(a, rows, parts, heads);
  __syncthreads();
  uint32_t largest = sampleRows(a, rows, heads, noise, z);
  __syncthreads();
  include(largest, finishRows<Program>(next, rows, a.staged > 0 ? shared : next.weight, z));
  largest = blockMax(largest);
  if (threadIdx.x == 0) a.magnitudes[blockIdx.x] = largest;
}

// The delta of the decoder's first hidden layer of the block's rows, to shared memory in rows of `stride`;
// where it comes in parts also to memory. Returns the largest magnitude that this thread has met there.
template <class Program>
__device__ inline uint32_t addParts(const LatentRowsBackArguments& a, const BlockRows& rows, float* to,
                                    int stride) {
  const int width = a.between.out;
  const int64_t sliceSize = static_cast<int64_t>(a.between.rows) * a.partStride;
  uint32_t largest = 0;
  for (int unit = threadIdx.x; unit < width; unit += kRowThreads) {
#pragma unroll
    for (int r = 0; r < Program::kBlockRows; ++r) {
      const int64_t row = rows.first + r;
      const int64_t at = row * a.between.deltaStride + unit;
      float delta = 0;
      if (r < rows.count && a.parts == nullptr) delta = a.between.delta[at];
      if (r < rows.count && a.parts != nullptr) {
        const float kept = a.kept[at];
        const float* from = a.parts + row * a.partStride + unit;
#pragma unroll 16
        for (int slice = 0; slice < a.slices; ++slice) delta += from[slice * sliceSize];
        delta *= slopeFrom(activationOf<Program>(kDecoder), kept);
        a.delta[at] = delta;
        include(largest, magnitudeBits(delta));
      }
      to[r * stride + unit] = delta;
    }
  }
  return largest;
}

// The head's deltas of the block's rows, a warp for each latent value, to memory and to `to` in shared
// memory, in rows of `stride`. `deltas` and the layer's weights have rows of the strides given. Returns as
// above.
template <class Program>
__device__ inline uint32_t latentDeltas(const LatentBackArguments& a, const BlockRows& rows, float klScale,
                                        const float* deltas, int deltaStride, const float* weights,
                                        int weightStride, float* to, int stride) {
  const int lane = threadIdx.x % 32;
  uint32_t largest = 0;
  for (int j = threadIdx.x / 32; j < a.latent; j += kRowThreads / 32) {
    LatentValue value = {};  // of row `lane`, asked for before it is needed
    if (lane < rows.count) value = latentValue(a, rows.first + lane, j);
    float sums[Program::kMostBlockRows] = {};
#pragma unroll 4
    for (int unit = lane; unit < a.out; unit += 32) {
      const float weight = weights[j * weightStride + unit];
#pragma unroll
      for (int r = 0; r < Program::kBlockRows; ++r) sums[r] += deltas[r * deltaStride + unit] * weight;
    }
    float dz = 0;
#pragma unroll
    for (int r = 0; r < Program::kBlockRows; ++r) {
      const float sum = warpSum(sums[r]);
      if (lane == r) dz = sum;
    }
    if (lane >= rows.count) continue;
    const LatentDelta delta = latentDelta(klScale * value.factor, dz, value);
    to[lane * stride + j] = delta.ofMean;
    to[lane * stride + a.latent + j] = delta.ofLogVariance;
    include(largest, storeLatentDelta(a, rows.first + lane, j, delta));
  }
  return largest;
}

// The delta of the encoder's last hidden layer, a unit a thread. Rows of the weights, and of `deltas` in
// shared memory, are 2 latent wide and `stride` apart; those in fours end with zeros. Returns as above.
template <class Program, bool kInFours>
__device__ inline uint32_t finishRowsBack(const BackArguments& a, const BlockRows& rows, const float* weights,
                                          int stride, const float* deltas, int deltaStride) {
  uint32_t largest = 0;
  for (int unit = threadIdx.x; unit < a.in; unit += kRowThreads) {
    const int64_t first = static_cast<int64_t>(rows.first) * a.toStride + unit;
    float kept[Program::kMostBlockRows], sums[Program::kMostBlockRows] = {};
#pragma unroll
    for (int r = 0; r < Program::kBlockRows; ++r)
      kept[r] = r < rows.count ? a.kept[first + r * a.toStride] : 0.0f;
    constexpr int kStep = kInFours ? 4 : 1;
#pragma unroll 4
    for (int j = 0; j < a.out; j += kStep) {
      const auto weight = *reinterpret_cast<const Floats<kStep>*>(weights + unit * stride + j);
#pragma unroll
      for (int r = 0; r < Program::kBlockRows; ++r) {
        const auto delta = *reinterpret_cast<const Floats<kStep>*>(deltas + r * deltaStride + j);
#pragma unroll
        for (int k = 0; k < kStep; ++k) sums[r] += delta.of[k] * weight.of[k];
      }
    }
#pragma unroll
    for (int r = 0; r < Program::kBlockRows; ++r) {
      if (r >= rows.count) continue;
      const float delta = sums[r] * slopeFrom(activationOf<Program>(a.side), kept[r]);
      a.to[first + r * a.toStride] = delta;
      include(largest, magnitudeBits(delta));
    }
  }
  return largest;
}

// The next batch, by `blocks` of the blocks. Several kernels have ended since what is there was used.
__device__ inline void loadNext(const LoadArguments& a, int block, int blocks) {
  constexpr int kRows = kRowThreads / kRowLoaders;  // at a time
  admitNext();
  for (int row = block * kRows + static_cast<int>(threadIdx.x) / kRowLoaders; row < a.rows;
       row += blocks * kRows)
    loadRow<float>(a, row);
  for (int64_t i = block * kRowThreads + static_cast<int>(threadIdx.x);
       i < static_cast<int64_t>(a.rows) * a.latent; i += static_cast<int64_t>(blocks) * kRowThreads)
    loadNoise<float>(a, i);
}

// Grid: a block for every kBlockRows rows, one more for the sums, and those that load the next batch.
template <class Program>
__device__ inline void latentRowsBack(const LatentRowsBackArguments& a) {
  constexpr int kVector = Program::kVector;
  TORCHVAE_DYNAMIC_SHARED(shared);
  const LatentBackArguments& between = a.between;
  const BackArguments& below = between.hidden;
  const int more = static_cast<int>(gridDim.x - blockIdx.x) - 1;  // blocks behind this one
  if (more < a.loadBlocks) return loadNext(a.load, more, a.loadBlocks);
  if (more == a.loadBlocks) return sumBatch(between);
  const BlockRows rows = blockRows<Program>(between.rows);
  const int headSize = below.out;
  const bool isStaged = a.staged != 0;
  const int deepStride = inFours(between.out);
  const int wideStride = strideOfFours(headSize);
  const int headStride = inFours(headSize);
  float* const deltas = shared;
  float* const headDeltas = deltas + Program::kBlockRows * deepStride;
  float* const deep = headDeltas + Program::kBlockRows * headStride;
  float* const wide = deep + between.latent * deepStride;
  if (isStaged) {
    beginPiece<kVector>(deep, deepStride, {between.weight, between.latent, between.out, between.out}, 0,
                        between.latent, 0, between.out);
    beginPiece<kVector>(wide, wideStride, {below.weight, below.in, headSize, headSize}, 0, below.in, 0,
                        headStride);
  }
  closeCopies();
  for (int i = threadIdx.x; i < Program::kBlockRows * headStride; i += kRowThreads) headDeltas[i] = 0;
  const float klScale = klScaleOf(between);
  awaitPrevious();
  admitNext();
  uint32_t largest = addParts<Program>(a, rows, deltas, deepStride);
  awaitCopies<0>();
  __syncthreads();
  include(largest,
          latentDeltas<Program>(between, rows, klScale, deltas, deepStride, isStaged ? deep : between.weight,
                                isStaged ? deepStride : between.out, headDeltas, headStride));
  __syncthreads();
  include(largest,
          isStaged
              ? finishRowsBack<Program, true>(below, rows, wide, wideStride, headDeltas, headStride)
              : finishRowsBack<Program, false>(below, rows, below.weight, headSize, headDeltas, headStride));
  largest = blockMax(largest);
  if (threadIdx.x == 0) a.between.magnitudes[blockIdx.x] = largest;
}

}  // namespace torchvae::kernels
