// Between the networks, 16 rows of the batch a block: the posterior's head, its sample and divergence and the
// decoder's first hidden layer; and back through the same. Where there are fewer blocks than
// multiprocessors, `slices` of them take the same rows and share out the wide layer. What comes before it is
// narrow: each of them works that out and writes the same.
#pragma once

#include "dense.cuh"
#include "optimizer.cuh"

namespace torchvae::kernels {

// The latent values of a row by one warp. Returns the largest magnitude in z that this lane has met.
__device__ inline uint32_t sampleRow(const LatentArguments& a, int row) {
  const float* head = a.head + static_cast<int64_t>(row) * 2 * a.latent;
  const float* noise = a.noise + static_cast<int64_t>(row) * a.latent;
  float* z = a.z + static_cast<int64_t>(row) * a.zStride;
  float sum = 0;
  uint32_t largest = 0;
  for (int j = threadIdx.x % 32; j < a.latent; j += 32) {
    const float mean = head[j];
    const float logVariance = head[a.latent + j];
    const float deviation = exp(0.5f * logVariance);
    const float value = mean + deviation * noise[j];
    z[j] = value;
    sum += mean * mean + (deviation * deviation - 1.0f - logVariance);
    include(largest, magnitudeBits(value));
  }
  sum = warpSum(sum);
  if (threadIdx.x % 32 == 0) a.kl[row] = 0.5f * sum;
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
struct LatentGroup {
  LatentValue of[4];
};
__device__ inline LatentGroup latentGroup(const LatentBackArguments& a, const Group& g) {
  LatentGroup group = {};
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    if (k >= g.left) continue;
    const int j = g.column + k;
    const float* head = a.head + static_cast<int64_t>(g.row) * 2 * a.latent + j;
    group.of[k] = {head[0], head[a.latent], a.noise[static_cast<int64_t>(g.row) * a.latent + j],
                   a.factors == nullptr ? 1.0f : a.factors[j]};
  }
  return group;
}

// The head's delta of a latent value, from the gradient in z; klScale is of its divergence. Returns its
// magnitude.
__device__ inline uint32_t finishLatent(const LatentBackArguments& a, float klScale, int row, int column,
                                        float dz, const LatentValue& value) {
  float* to = a.headDelta + static_cast<int64_t>(row) * a.headStride + column;
  const float deviation = exp(0.5f * value.logVariance);
  const float ofMean = dz + klScale * value.mean;
  const float ofLogVariance =
      0.5f * (dz * value.noise * deviation + klScale * (deviation * deviation - 1.0f));
  to[0] = ofMean;
  to[a.latent] = ofLogVariance;
  uint32_t largest = magnitudeBits(ofMean);
  include(largest, magnitudeBits(ofLogVariance));
  return largest;
}

// The batch's sums of losses into the state, by one block.
__device__ inline void sumBatch(const LatentBackArguments& a) {
  double terms = 0, kl = 0;
  const int count = a.lossTiles * a.rows;
#pragma unroll 8
  for (int i = threadIdx.x; i < count; i += kStripThreads) terms += a.losses[i];
  for (int i = threadIdx.x; i < a.rows; i += kStripThreads) kl += a.kl[i];
  const double reconstruction = a.lossScale * blockSum(terms) + a.lossConstant * a.rows;
  kl = blockSum(kl);
  if (threadIdx.x != 0) return;
  const ScheduleRow& now = a.schedule[a.state->index];
  const double cost = a.klCost != nullptr ? *a.klCost * a.rows : kl;
  const double loss = reconstruction + now.beta * cost;
  noteLosses(*a.state, now, reconstruction, kl, loss, a.beta1, a.beta2);
}

// Grid: `slices` blocks for every kStripRows rows, and one more for the sums.
template <class Program>
__device__ inline void latentBack(const LatentBackArguments& a) {
  using Deep = Product<Program::kPrecision, kDeepStrip, kDepthAlongRows, kDepthAlongRows, Program::kVector>;
  using Wide = Product<Program::kPrecision, kWideStrip, kDepthAlongRows, kDepthAlongRows, Program::kVector>;
  TORCHVAE_DYNAMIC_SHARED(shared);
  if (blockIdx.x == gridDim.x - 1) {
    awaitPrevious();
    admitNext();
    return sumBatch(a);
  }
  const Strip strip = stripOf(a.slices);
  const int row = strip.row;
  uint32_t largest = 0;
  for (int column = 0; column < a.latent; column += Deep::kColumns) {
    Deep::run(shared, {a.delta, a.rows, a.out, a.deltaStride}, {a.weight, a.latent, a.out, a.out}, row,
              column, a.out);
    const auto klScale = static_cast<float>(a.schedule[a.state->index].beta / a.rows);
    forGroups<Deep>(
        shared, row, column, a.rows, a.latent, [&](const Group& g) { return latentGroup(a, g); },
        [&](const Group& g, const Floats<4>& sums, const LatentGroup& values) {
#pragma unroll
          for (int k = 0; k < 4; ++k) {
            if (k >= g.left) continue;
            const LatentValue& value = values.of[k];
            include(largest, finishLatent(a, klScale * value.factor, g.row, g.column + k, sums.of[k], value));
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
