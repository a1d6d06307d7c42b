// Between the networks, 16 rows of the batch a block: the posterior's head, its sample and divergence and the
// decoder's first hidden layer; and back through the same. Where there are fewer blocks than
// multiprocessors, `slices` of them take the same rows and share out the wide layer. What comes before it is
// narrow: each of them works that out and writes the same.
#pragma once

#include "dense.cuh"
#include "optimizer.cuh"

namespace torchvae::kernels {

// A row's latent values by one warp, from its means and, behind them, log-variances; put(j, value) gets each.
// Returns the row's divergence in every lane.
template <class Put>
__device__ inline float sampled(const float* head, const float* noise, int latent, const Put& put) {
  float sum = 0;
  for (int j = threadIdx.x % 32; j < latent; j += 32) {
    const float mean = head[j];
    const float logVariance = head[latent + j];
    const float deviation = exp(0.5f * logVariance);
    put(j, mean + deviation * noise[j]);
    sum += mean * mean + (deviation * deviation - 1.0f - logVariance);
  }
  return 0.5f * warpSum(sum);
}

// Of a row of the batch. Returns the largest magnitude in z that this lane has met.
__device__ inline uint32_t sampleRow(const LatentArguments& a, int row) {
  const int64_t place = row;
  uint32_t largest = 0;
  const float kl =
      sampled(a.head + place * 2 * a.latent, a.noise + place * a.latent, a.latent, [&](int j, float value) {
        a.z[place * a.zStride + j] = value;
        include(largest, magnitudeBits(value));
      });
  if (threadIdx.x % 32 == 0) a.kl[row] = kl;
  return largest;
}

// Which rows, and which part of the wide layer, a block takes.
struct Strip {
  int row, slice;
};
__device__ inline Strip stripOf(int slices) {
  const int block = blockIdx.x;
  return {block / slices * kStripRows, block % slices};
}

// Grid: `slices` blocks for every kStripRows rows.
template <class Program>
__device__ inline void latent(const LatentArguments& a) {
  using Deep =
      Product<Program::kPrecision, kDeepStrip, kDepthAlongRows, kDepthAlongColumns, Program::kVector>;
  using Wide =
      Product<Program::kPrecision, kWideStrip, kDepthAlongRows, kDepthAlongColumns, Program::kVector>;
  TORCHVAE_DYNAMIC_SHARED(shared);
  const Strip strip = stripOf(a.slices);
  const int row = strip.row;
  const int headSize = 2 * a.latent;
  for (int column = 0; column < headSize; column += Deep::kColumns) {
    Deep::run(shared, {a.x, a.rows, a.in, a.xStride}, {a.headWeight, a.in, headSize, headSize}, row, column,
              a.in);
    forGroups<Deep>(
        shared, row, column, a.rows, headSize,
        [&](const Group& g) { return groupAt<Program::kVector>(a.headBias + g.column, g.left); },
        [&](const Group& g, Floats<4> sums, const Floats<4>& bias) {
#pragma unroll
          for (int k = 0; k < 4; ++k) sums.of[k] += bias.of[k];
          // Its rows are aligned as those of the weights.
          putGroup<Program::kVector>(a.head + static_cast<int64_t>(g.row) * headSize + g.column, sums,
                                     g.left);
        });
    __syncthreads();
  }
  uint32_t largest = 0;
  for (int i = threadIdx.x / 32; i < kStripRows && row + i < a.rows; i += kStripThreads / 32) {
    include(largest, sampleRow(a, row + i));
  }
  __syncthreads();
  const ForwardArguments& next = a.hidden;
  for (int column = strip.slice * Wide::kColumns; column < next.out; column += a.slices * Wide::kColumns) {
    Wide::run(shared, {next.x, a.rows, next.in, next.xStride}, {next.weight, next.in, next.out, next.out},
              row, column, next.in);
    include(largest, finishUnits<Program, Wide>(next, shared, row, column));
    __syncthreads();
  }
  largest = blockMax(largest);
  if (threadIdx.x == 0) a.magnitudes[blockIdx.x] = largest;
}

// What is known of a latent value.
struct LatentValue {
  float mean, logVariance, noise, factor;
};
__device__ inline LatentValue latentValue(const LatentBackArguments& a, int row, int j) {
  const float* head = a.head + static_cast<int64_t>(row) * 2 * a.latent + j;
  return {head[0], head[a.latent], a.noise[static_cast<int64_t>(row) * a.latent + j],
          a.factors == nullptr ? 1.0f : a.factors[j]};
}
struct LatentGroup {
  LatentValue of[4];
};
__device__ inline LatentGroup latentGroup(const LatentBackArguments& a, const Group& g) {
  LatentGroup group = {};
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    if (k < g.left) group.of[k] = latentValue(a, g.row, g.column + k);
  }
  return group;
}

// The head's delta of a latent value, from the gradient in z; klScale is of its divergence.
struct LatentDelta {
  float ofMean, ofLogVariance;
};
__device__ inline LatentDelta latentDelta(float klScale, float dz, const LatentValue& value) {
  const float deviation = exp(0.5f * value.logVariance);
  return {dz + klScale * value.mean,
          0.5f * (dz * value.noise * deviation + klScale * (deviation * deviation - 1.0f))};
}
// Stores it; returns its magnitude.
__device__ inline uint32_t storeLatentDelta(const LatentBackArguments& a, int row, int column,
                                            const LatentDelta& delta) {
  float* to = a.headDelta + static_cast<int64_t>(row) * a.headStride + column;
  to[0] = delta.ofMean;
  to[a.latent] = delta.ofLogVariance;
  uint32_t largest = magnitudeBits(delta.ofMean);
  include(largest, magnitudeBits(delta.ofLogVariance));
  return largest;
}

// The scale of the batch's divergence in the gradient of its mean loss.
__device__ inline float klScaleOf(const LatentBackArguments& a) {
  return static_cast<float>(a.schedule[a.state->index].beta / a.rows);
}

// The batch's sums of losses into the state, by one block. Nothing but the update reads what the step's
// number gives, so that is worked out before the losses are there.
__device__ inline void sumBatch(const LatentBackArguments& a) {
  const ScheduleRow now = a.schedule[a.state->index];
  if (threadIdx.x == 0) noteRates(*a.state, now, a.beta1, a.beta2);
  awaitPrevious();
  admitNext();
  const int threads = blockDim.x;
  double terms = 0, kl = 0;
  const int count = a.lossTiles * a.rows;
#pragma unroll 8
  for (int i = threadIdx.x; i < count; i += threads) terms += a.losses[i];
  for (int i = threadIdx.x; i < a.rows; i += threads) kl += a.kl[i];
  const double reconstruction = a.lossScale * blockSum(terms) + a.lossConstant * a.rows;
  kl = blockSum(kl);
  if (threadIdx.x != 0) return;
  const double cost = a.klCost != nullptr ? *a.klCost * a.rows : kl;
  noteLosses(*a.state, reconstruction, kl, reconstruction + now.beta * cost);
}

// Grid: `slices` blocks for every kStripRows rows, and one more for the sums.
template <class Program>
__device__ inline void latentBack(const LatentBackArguments& a) {
  using Deep = Product<Program::kPrecision, kDeepStrip, kDepthAlongRows, kDepthAlongRows, Program::kVector>;
  using Wide = Product<Program::kPrecision, kWideStrip, kDepthAlongRows, kDepthAlongRows, Program::kVector>;
  TORCHVAE_DYNAMIC_SHARED(shared);
  if (blockIdx.x == gridDim.x - 1) return sumBatch(a);
  const Strip strip = stripOf(a.slices);
  const int row = strip.row;
  uint32_t largest = 0;
  for (int column = 0; column < a.latent; column += Deep::kColumns) {
    Deep::run(shared, {a.delta, a.rows, a.out, a.deltaStride}, {a.weight, a.latent, a.out, a.out}, row,
              column, a.out);
    const float klScale = klScaleOf(a);
    forGroups<Deep>(
        shared, row, column, a.rows, a.latent, [&](const Group& g) { return latentGroup(a, g); },
        [&](const Group& g, const Floats<4>& sums, const LatentGroup& values) {
#pragma unroll
          for (int k = 0; k < 4; ++k) {
            if (k >= g.left) continue;
            const LatentValue& value = values.of[k];
            include(largest, storeLatentDelta(a, g.row, g.column + k,
                                              latentDelta(klScale * value.factor, sums.of[k], value)));
          }
        });
    __syncthreads();
  }
  const BackArguments& below = a.hidden;
  for (int column = strip.slice * Wide::kColumns; column < below.in; column += a.slices * Wide::kColumns) {
    Wide::run(shared, {below.delta, a.rows, below.out, below.deltaStride},
              {below.weight, below.in, below.out, below.out}, row, column, below.out);
    include(largest, finishDeltas<Program, Wide>(below, shared, row, column));
    __syncthreads();
  }
  largest = blockMax(largest);
  if (threadIdx.x == 0) a.magnitudes[blockIdx.x] = largest;
}

}  // namespace torchvae::kernels
