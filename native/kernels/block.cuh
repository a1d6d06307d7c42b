// A small perceptron trained by one block, step after step in one launch: nothing of it leaves shared memory
// but what the next launch goes on from. A step, with a barrier between any two parts:
//
//   loadExamples    the batch's values and labels, its noise
//   forward         each hidden layer, and the head, after which come sampleCodes and priceCodes
//   reconstruct     the decoder's last layer, the losses, its delta
//   backward        the deltas of all layers, the last first
//   makeGradients   of all layers at once
//   endBatch        the sums over the block: losses, squares of gradients
//   updateAll       unless something is not finite; where one is kept, averageAll
#pragma once

#include "activation.cuh"
#include "batch.cuh"
#include "block_product.cuh"
#include "likelihood.cuh"
#include "optimizer.cuh"

namespace torchvae::kernels {

// The copies of the parameters behind the values, which lie first.
enum Copy : int { kGradientsOf = 1, kFirst, kSecond };

// What a block works on, all but the shape in shared memory.
struct BlockView {
  const BlockShape& shape;
  BlockMember& member;
  StepState& state;
  ScheduleRow& now;  // the present step's
  float* shared;
  int rows;  // of the present batch

  __device__ const float* values(const BlockLayer& layer) const { return shared + layer.matrix; }
  __device__ float* copy(int which) const {
    return which < shape.copies ? shared + which * shape.parameters
                                : member.rest + static_cast<int64_t>(which - shape.copies) * shape.parameters;
  }
};

// Calls body(place in a copy of the parameters, whose rows are padded; place in the flat parameters).
template <class Body>
__device__ inline void forParameters(const BlockShape& shape, const Body& body) {
#pragma unroll 1
  for (int l = 0; l < shape.layers; ++l) {
    const BlockLayer& layer = shape.layer[l];
    const int stride = rowStride(layer.out);
#pragma unroll 1
    for (int i = threadIdx.x; i < layer.in * layer.out; i += kBlockThreads)
      body(layer.matrix + i / layer.out * stride + i % layer.out, layer.weight + i);
#pragma unroll 1
    for (int i = threadIdx.x; i < layer.out; i += kBlockThreads)
      body(layer.matrix + layer.in * stride + i, layer.bias + i);
  }
}

// Between the flat parameters and a copy of them.
__device__ inline void exchange(const BlockShape& shape, float* copy, float* flat, bool toFlat) {
  forParameters(shape, [&](int place, int64_t at) {
    (toFlat ? flat[at] : copy[place]) = toFlat ? copy[place] : flat[at];
  });
}
__device__ inline void exchangeAll(const BlockView& v, bool toFlat) {
  const OptimizeArguments& flat = v.member.update;
  exchange(v.shape, v.shared, static_cast<float*>(flat.values), toFlat);
  exchange(v.shape, v.copy(kFirst), static_cast<float*>(flat.first), toFlat);
  exchange(v.shape, v.copy(kSecond), static_cast<float*>(flat.second), toFlat);
}

// Calls body(row, column) for the places of [rows, columns], by all threads.
template <class Body>
__device__ inline void forPlaces(int rows, int columns, const Body& body) {
#pragma unroll 1
  for (int i = threadIdx.x; i < rows * columns; i += kBlockThreads) body(i / columns, i % columns);
}

// The batch's values; From is the type of the data.
template <class From>
__device__ inline void loadValues(const BlockView& v, int64_t first, uint64_t step) {
  const BlockMember& m = v.member;
  const int columns = v.shape.inputs;
  forPlaces(v.rows, columns, [&](int row, int j) {
    float value = scaled<float>(static_cast<const From*>(m.data)[m.order[first + row] * columns + j]);
    if (m.binaryStream != 0) {
      // As data/resident.cpp numbers them: each row begins with a whole block of four.
      const int64_t number = static_cast<int64_t>(row) * groupsOf(columns, 4) * 4 + j;
      value = uniform(number, step, m.binaryStream, m.seed) < value ? 1.0f : 0.0f;
    }
    v.shared[v.shape.x + row * rowStride(v.shape.layer[0].in) + j] = value;
  });
}

// One-hot behind the first `columns` of rows of `width` values.
__device__ inline void loadLabels(const BlockView& v, int64_t first, float* to, int columns, int width) {
  forPlaces(v.rows, width - columns, [&](int row, int j) {
    const int64_t label = v.member.labels[v.member.order[first + row]];
    to[row * rowStride(width) + columns + j] = label == j ? 1.0f : 0.0f;
  });
}

__device__ inline void loadExamples(const BlockView& v) {
  const BlockShape& s = v.shape;
  const BlockMember& m = v.member;
  const int64_t first = v.state.batch * s.batchSize;
  const auto step = static_cast<uint64_t>(v.state.step);
  if (threadIdx.x == kBlockThreads - 1) {
    v.now = m.update.schedule[v.state.index];
    noteRates(v.state, v.now, m.update.beta1, m.update.beta2);
  }
  m.isUint8 != 0 ? loadValues<uint8_t>(v, first, step) : loadValues<float>(v, first, step);
  if (m.labels != nullptr) {
    loadLabels(v, first, v.shared + s.x, s.inputs, s.layer[0].in);
    loadLabels(v, first, v.shared + s.z, s.latent, s.layer[s.head + 1].in);
  }
  forPlaces(v.rows, s.latent, [&](int row, int j) {
    v.shared[s.noise + row * rowStride(s.latent) + j] =
        normal(static_cast<int64_t>(row) * s.latent + j, step, m.stream, m.seed);
  });
}

// What kind of activation a hidden layer has.
template <class Program>
__device__ inline int32_t activationOf(const BlockLayer& layer) {
  if (Program::kEncoderActivation == Program::kDecoderActivation) return Program::kEncoderActivation;
  return layer.side == kEncoder ? Program::kEncoderActivation : Program::kDecoderActivation;
}

// to [rows, out] = the layer's product.
__device__ inline void multiply(const BlockView& v, const BlockLayer& layer, float* to, bool isRelu) {
  withLines([&](int lines) { return groupsOf(v.rows, lines) * groupsOf(layer.out, 4); },
            [&](auto lines) {
              forwardTiles<decltype(lines)::kCount>(layer, v.shared + layer.from, v.values(layer), to, v.rows,
                                                    isRelu);
            });
}

// A hidden layer, or the head, whose `delta` is its output.
template <class Program>
__device__ inline void forward(const BlockView& v, const BlockLayer& layer) {
  const int32_t kind = layer.delta == layer.to ? int32_t{kIdentity} : activationOf<Program>(layer);
  multiply(v, layer, v.shared + layer.to, kind == kRelu);
  if (kind == kIdentity || kind == kRelu) return;
  __syncthreads();
  const bool keepsSlope = doesKeepSlope(kind);
  forPlaces(v.rows, layer.out, [&](int row, int j) {
    const int at = row * rowStride(layer.out) + j;
    const float x = v.shared[layer.to + at];
    const float y = activated(kind, x);
    v.shared[layer.to + at] = y;
    if (keepsSlope) v.shared[layer.delta + at] = slopeAt(kind, x, y);
  });
}

// z = mean + exp(logVariance / 2) noise. Returns this thread's share of the divergences.
__device__ inline double sampleCodes(const BlockView& v) {
  const BlockShape& s = v.shape;
  double kl = 0;
  forPlaces(v.rows, s.latent, [&](int row, int j) {
    const float* head = v.shared + s.layer[s.head].to + row * rowStride(2 * s.latent) + j;
    const float mean = head[0];
    const float logVariance = head[s.latent];
    const float deviation = exp(0.5f * logVariance);
    const float noise = v.shared[s.noise + row * rowStride(s.latent) + j];
    v.shared[s.z + row * rowStride(s.layer[s.head + 1].in) + j] = mean + deviation * noise;
    kl += 0.5f * (mean * mean + (deviation * deviation - 1.0f - logVariance));
  });
  return kl;
}

// What KlCostArguments says, a warp for each dimension. The batch's cost for each example, in every thread.
__device__ inline double priceCodes(const BlockView& v) {
  const BlockShape& s = v.shape;
  const BlockMember& m = v.member;
  const int lane = threadIdx.x % 32;
  float* factors = v.shared + s.factors;
  double total = 0;
  for (int j = threadIdx.x / 32; j < s.latent; j += kBlockThreads / 32) {
    float sum = 0;
#pragma unroll 1
    for (int row = lane; row < v.rows; row += 32) {
      const float* head = v.shared + s.layer[s.head].to + row * rowStride(2 * s.latent) + j;
      sum += head[0] * head[0] + (exp(head[s.latent]) - 1.0f - head[s.latent]);
    }
    const float mean = 0.5f * warpSum(sum) / static_cast<float>(v.rows);
    const bool isFree = m.hasCapacity == 0 && mean < static_cast<float>(m.freeBits);
    if (lane != 0) continue;
    factors[j] = isFree ? 0.0f : 1.0f;
    total += isFree ? m.freeBits : static_cast<double>(mean);
  }
  total = blockSum(total);
  if (m.hasCapacity == 0) return total;
  const double over = total - v.now.capacity;
  for (int j = threadIdx.x; j < s.latent; j += kBlockThreads)
    factors[j] = over > 0 ? 1.0f : (over < 0 ? -1.0f : 0.0f);
  return over < 0 ? -over : over;
}

// The decoder's last layer with the likelihood. Returns this thread's share of its terms.
template <class Program>
__device__ inline double reconstruct(const BlockView& v) {
  const BlockLayer& layer = v.shape.layer[v.shape.layers - 1];
  multiply(v, layer, v.shared + layer.delta, false);
  __syncthreads();
  const float weight = static_cast<float>(v.member.lossScale) / static_cast<float>(v.rows);
  double terms = 0;
  forPlaces(v.rows, layer.out, [&](int row, int j) {
    float& delta = v.shared[layer.delta + row * rowStride(layer.out) + j];
    const float x = v.shared[v.shape.x + row * rowStride(v.shape.layer[0].in) + j];
    const ValueAndSlope<float> term = likelihoodTerm(Program::kLikelihood, v.member.sigmoid != 0, x, delta);
    terms += term.value;
    delta = term.slope * weight;
  });
  return terms;
}

// sums[k] = body(sums[k], k): where the body is short, in as many copies of it.
template <int kCount, class Body>
__device__ inline void finishSums(bool isShort, float (&sums)[kCount], const Body& body) {
  if (!isShort) return forEach(sums, body);
#pragma unroll
  for (int k = 0; k < kCount; ++k) sums[k] = body(sums[k], k);
}

// The deltas of the hidden layer below `layer`.
template <class Program>
__device__ inline void backHidden(const BlockView& v, const BlockLayer& layer, const BlockLayer& below) {
  const int32_t kind = activationOf<Program>(below);
  const float* kept = v.shared + (doesKeepSlope(kind) ? below.delta : below.to);
  float* deltas = v.shared + below.delta;
  const int stride = rowStride(below.out);
  withLines([&](int lines) { return groupsOf(v.rows, lines) * groupsOf(layer.in, 4); },
            [&](auto lines) {
              constexpr int kLines = decltype(lines)::kCount;
              backTiles<kLines>(layer, v.shared + layer.delta, v.values(layer), layer.in, v.rows,
                                [&](int row, int column, int across, float(&sums)[4 * kLines]) {
                                  finishSums(kind != kSoftplus, sums, [&](float sum, int k) {
                                    const int j = column + k % 4 * across;
                                    const int at = (row + k / 4) * stride + j;
                                    if (j < layer.in) deltas[at] = sum * slopeFrom(kind, kept[at]);
                                    return sum;
                                  });
                                });
            });
}

// The delta of the head, in place of its output, from that of the decoder's first layer.
__device__ inline void backCodes(const BlockView& v) {
  const BlockShape& s = v.shape;
  const BlockLayer& layer = s.layer[s.head + 1];
  const auto klScale = static_cast<float>(v.now.beta / v.rows);
  const auto finish = [&](int row, int j, float dz) {
    float* head = v.shared + s.layer[s.head].to + row * rowStride(2 * s.latent) + j;
    const float scale = v.member.isPlain != 0 ? klScale : klScale * v.shared[s.factors + j];
    const float noise = v.shared[s.noise + row * rowStride(s.latent) + j];
    const float deviation = exp(0.5f * head[s.latent]);
    head[0] = dz + scale * head[0];
    head[s.latent] = 0.5f * (dz * noise * deviation + scale * (deviation * deviation - 1.0f));
  };
  withLines([&](int lines) { return groupsOf(v.rows, lines) * groupsOf(s.latent, 4); },
            [&](auto lines) {
              constexpr int kLines = decltype(lines)::kCount;
              backTiles<kLines>(layer, v.shared + layer.delta, v.values(layer), s.latent, v.rows,
                                [&](int row, int column, int across, float(&sums)[4 * kLines]) {
                                  finishSums(false, sums, [&](float dz, int k) {
                                    const int j = column + k % 4 * across;
                                    if (j < s.latent) finish(row + k / 4, j, dz);
                                    return dz;
                                  });
                                });
            });
}

template <class Program>
__device__ inline void backward(const BlockView& v) {
  const BlockShape& s = v.shape;
  for (int l = s.layers - 1; l > 0; --l) {
    __syncthreads();
    if (l == s.head + 1) {
      backCodes(v);
    } else {
      backHidden<Program>(v, s.layer[l], s.layer[l - 1]);
    }
  }
}

// Of all layers. Returns this thread's share of their squares.
__device__ inline double makeGradients(const BlockView& v) {
  const BlockShape& s = v.shape;
  double squares = 0;
  const auto tiles = [&](int lines) {
    int count = 0;
    for (int l = 0; l < s.layers; ++l) count += gradientTilesOf(s.layer[l], lines);
    return count;
  };
  withLines(tiles, [&](auto lines) {
    constexpr int kLines = decltype(lines)::kCount;
    int l = 0, first = 0;  // the layer that the tile belongs to, and its first tile
    for (int t = threadIdx.x;; t += kBlockThreads) {
      for (; l < s.layers && t - first >= gradientTilesOf(s.layer[l], kLines); ++l)
        first += gradientTilesOf(s.layer[l], kLines);
      if (l == s.layers) break;
      const BlockLayer& layer = s.layer[l];
      squares += gradientTile<kLines>(layer, v.shared + layer.from, v.shared + layer.delta,
                                      v.copy(kGradientsOf), t - first, v.rows);
    }
  });
  return squares;
}

// Sums over the block, in every thread.
template <int kCount>
__device__ inline void blockSums(double (&values)[kCount]) {
  constexpr int kWarps = kBlockThreads / 32;
  __shared__ double ofWarp[kCount][kWarps];
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    values[i] = warpSum(values[i]);
    if (lane == 0) ofWarp[i][threadIdx.x / 32] = values[i];
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kCount; ++i) values[i] = warpSum(lane < kWarps ? ofWarp[i][lane] : 0.0);
}

// By one thread: the batch's losses into the state. `price` is what an example pays for its divergence.
__device__ inline void endBatch(const BlockView& v, double terms, double kl, double price) {
  const BlockMember& m = v.member;
  StepState& state = v.state;
  state.batchReconstruction = m.lossScale * terms + m.lossConstant * v.rows;
  state.batchKl = kl;
  state.batchLoss = state.batchReconstruction + v.now.beta * (m.isPlain != 0 ? kl : price * v.rows);
}

// Padding is updated as well, and not used.
__device__ inline void updateAll(const BlockView& v, const Update<float>& u) {
  const auto place = [&](int which, int i) { return reinterpret_cast<Floats<4>*>(v.copy(which)) + i; };
#pragma unroll 1
  for (int i = threadIdx.x; i < v.shape.parameters / 4; i += kBlockThreads) {
    Floats<4>* const ofValue = reinterpret_cast<Floats<4>*>(v.shared) + i;
    Floats<4> value = *ofValue, first = *place(kFirst, i), second = *place(kSecond, i);
    const Floats<4> g = *place(kGradientsOf, i);
#pragma unroll
    for (int c = 0; c < 4; ++c) value.of[c] = updated(u, value.of[c], g.of[c], first.of[c], second.of[c]);
    *ofValue = value;
    *place(kFirst, i) = first;
    *place(kSecond, i) = second;
  }
}

// The weights' moving average, which lies outside shared memory, follows the update.
__device__ inline void averageAll(const BlockView& v) {
  const BlockMember& m = v.member;
  const bool isFirst = v.state.averaged == 0;
  forParameters(v.shape, [&](int place, int64_t at) {
    m.average[at] = followed(m.average[at], v.shared[place], m.averageKeep, isFirst);
  });
}

// The batch that the state points to, forward and back. Returns this thread's shares of the terms of the
// losses, of the divergences and of the gradients' squares, and the price of the divergence.
struct BlockSums {
  double shares[3];
  double price;
};
template <class Program>
__device__ inline BlockSums differentiate(const BlockView& v) {
  const BlockShape& s = v.shape;
  BlockSums sums{};
  loadExamples(v);
  for (int l = 0; l + 1 < s.layers; ++l) {
    __syncthreads();
    forward<Program>(v, s.layer[l]);
    if (l != s.head) continue;
    __syncthreads();
    sums.shares[1] = sampleCodes(v);
    if (v.member.isPlain == 0) sums.price = priceCodes(v);
  }
  __syncthreads();
  sums.shares[0] = reconstruct<Program>(v);
  backward<Program>(v);
  __syncthreads();
  sums.shares[2] = makeGradients(v);
  return sums;
}

// Grid: a block for each model.
template <class Program>
__device__ inline void trainBlock(const BlockArguments& a) {
  TORCHVAE_DYNAMIC_SHARED(shared);
  __shared__ BlockMember member;
  __shared__ StepState state;
  __shared__ ScheduleRow now;
  __shared__ Update<float> update;
  StepState* home = a.members[blockIdx.x].update.state;
  if (threadIdx.x == 0) {
    member = a.members[blockIdx.x];
    member.update.state = &state;
    state = *home;
  }
  __syncthreads();
  BlockView v{a.shape, member, state, now, shared, 0};
  exchangeAll(v, false);
  for (int64_t step = 0; step < member.steps; ++step) {
    __syncthreads();  // the step before has ended
    if (state.stopped != 0) break;
    const int64_t left = member.examples - state.batch * a.shape.batchSize;
    v.rows = static_cast<int>(left < a.shape.batchSize ? left : a.shape.batchSize);
    BlockSums sums = differentiate<Program>(v);
    if (member.mode == kLookAhead) {
      __syncthreads();
      return exchange(a.shape, v.copy(kGradientsOf), member.gradients, true);
    }
    blockSums(sums.shares);
    // Of two warps, side by side.
    if (threadIdx.x == 0) endBatch(v, sums.shares[0], sums.shares[1], sums.price);
    if (threadIdx.x == 32) update = makeUpdate<float>(member.update, sums.shares[2]);
    __syncthreads();
    const bool isFinite = finite(sums.shares[2]) && finite(state.batchLoss);
    if (isFinite) {
      Update<float> u = update;
      u.kind = Program::kOptimizer;
      updateAll(v, u);
      if (member.average != nullptr) {
        __syncthreads();
        averageAll(v);
      }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      member.update.rows = v.rows;
      endStep(member.update, isFinite);
    }
  }
  __syncthreads();
  exchangeAll(v, true);
  if (threadIdx.x == 0) *home = state;
}

}  // namespace torchvae::kernels
