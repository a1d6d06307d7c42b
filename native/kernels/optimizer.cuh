// The end of a step: gradients gathered in one place, the judgement whether all is finite, the update, the
// sums, the counters.
#pragma once

#include "instructions.cuh"
#include "numbers.cuh"

namespace torchvae::kernels {

// The sums of two vectors of losses, in every thread.
template <class C>
__device__ inline void sumLosses(const void* reconstruction, const void* kl, int rows,
                                 double& ofReconstruction, double& ofKl) {
  double first = 0, second = 0;
  for (int i = threadIdx.x; i < rows; i += blockDim.x) {
    first += static_cast<const C*>(reconstruction)[i];
    second += static_cast<const C*>(kl)[i];
  }
  ofReconstruction = blockSum(first);
  ofKl = blockSum(second);
}

// x^n by squaring, some tens of multiplications: pow() would be the longest part of a small step.
__device__ inline double power(double x, int64_t n) {
  double product = 1;
#pragma unroll 1
  for (; n > 0; n >>= 1) {
    if (n & 1) product *= x;
    x *= x;
  }
  return product;
}

// What the update that follows has of the step's number.
__device__ inline void noteRates(StepState& state, const ScheduleRow& now, double beta1, double beta2) {
  const int64_t t = state.step + 1;
  state.learningRate = now.learningRate;
  state.stepSize = now.learningRate / (1 - power(beta1, t));
  state.inverseRoot = 1 / sqrt(1 - power(beta2, t));
}

// The batch's sums.
__device__ inline void noteLosses(StepState& state, double reconstruction, double kl, double loss) {
  state.batchReconstruction = reconstruction;
  state.batchKl = kl;
  state.batchLoss = loss;
}

// Sums over the lines of 32 columns by 1,024 threads: 32 lines at a time. Returns this thread's share of
// their squares.
template <class T>
__device__ inline double columnSums(const GradientRange& range, int block, Compute<T>* gradients) {
  using C = Compute<T>;
  __shared__ C partial[32][33];
  const int lane = threadIdx.x % 32;
  const int line = threadIdx.x / 32;
  const int64_t column = static_cast<int64_t>(block) * kColumnsPerBlock + lane;
  C sum = 0;
  if (column < range.count) {
    const T* from = static_cast<const T*>(range.from) + column;
#pragma unroll 4
    for (int64_t i = line; i < range.lines; i += 32) sum += load(from, i * range.count);
  }
  partial[line][lane] = sum;
  __syncthreads();
  // Turned round: warp `line` now adds up column `line`.
  const C total = warpSum(partial[lane][line]);
  const int64_t mine = static_cast<int64_t>(block) * kColumnsPerBlock + line;
  if (lane != 0 || mine >= range.count) return 0;
  gradients[range.offset + mine] = total;
  return static_cast<double>(total * total);
}

// A block's values of a range, copied where they lie elsewhere. Returns this thread's share of their squares.
template <class T>
__device__ inline double copyValues(const GradientRange& range, int block, Compute<T>* gradients) {
  using C = Compute<T>;
  const int64_t first = static_cast<int64_t>(block) * kValuesPerBlock;
  const int64_t last = first + kValuesPerBlock < range.count ? first + kValuesPerBlock : range.count;
  const T* from = static_cast<const T*>(range.from);
  C* to = gradients + range.offset;
  double squares = 0;
  for (int64_t i = first + threadIdx.x; i < last; i += blockDim.x) {
    const C g = from != nullptr ? load(from, i) : to[i];
    if (from != nullptr) to[i] = g;
    squares += static_cast<double>(g * g);
  }
  return squares;
}

template <class T>
__device__ inline double gather(const GradientRange& range, int block, Compute<T>* gradients) {
  return range.lines > 0 ? columnSums<T>(range, block, gradients) : copyValues<T>(range, block, gradients);
}

// Blocks of 1,024 threads. Grid: those of each range, in turn. Squares are taken in the gradients' own type,
// as the update takes them: one that overflows must count as not finite here.
template <class T>
__device__ inline void finishGradients(const GradientArguments& a) {
  using C = Compute<T>;
  const int block = blockIdx.x;
  int r = 0;
  while (r + 1 < a.ranges && a.range[r + 1].firstBlock <= block) ++r;
  const GradientRange& range = a.range[r];
  const int own = block - range.firstBlock;
  C* gradients = static_cast<C*>(a.gradients);
  const double squares =
      blockSum(range.isExact != 0 ? gather<C>(range, own, gradients) : gather<T>(range, own, gradients));
  if (threadIdx.x == 0) a.partials[block] = squares;
  if (block != 0 || a.state == nullptr) return;
  double reconstruction, kl;
  sumLosses<C>(a.reconstruction, a.kl, a.rows, reconstruction, kl);
  if (threadIdx.x != 0) return;
  const ScheduleRow& now = a.schedule[a.state->index];
  const double cost = a.klCost != nullptr ? *a.klCost * a.rows : kl;
  const double loss = a.loss != nullptr ? static_cast<double>(*static_cast<const C*>(a.loss)) * a.rows
                                        : reconstruction + now.beta * cost;
  noteLosses(*a.state, reconstruction, kl, loss);
  noteRates(*a.state, now, a.beta1, a.beta2);
}

// In the order of engine.h's OptimizerKind, which is made of the same list.
enum Optimizer : int32_t {
#define TORCHVAE_OPTIMIZER(kind, name) kind,
#include "optimizers.h"
#undef TORCHVAE_OPTIMIZER
};

// What all elements of an update share, worked out once a block.
template <class C>
struct Update {
  C learningRate, stepSize, inverseRoot, clip;
  C keepFirst, keepSecond, beta2, epsilon, momentum, weightDecay, l1, clipValue;
  int32_t kind, nesterov;
  bool isPlain;  // the gradients are taken as they are, but for weight decay
};

// From the state, and the sum of the gradients' squares, which is read where the norm is cut.
template <class C>
__device__ inline Update<C> makeUpdate(const OptimizeArguments& a, double squares) {
  Update<C> u;
  u.learningRate = static_cast<C>(a.state->learningRate);
  u.stepSize = static_cast<C>(a.state->stepSize);
  u.inverseRoot = static_cast<C>(a.state->inverseRoot);
  u.clip = 1;
  if (a.clipNorm > 0) {
    // torch.nn.utils.clip_grad_norm_ adds this to the norm before it divides.
    const double within = a.clipNorm / (sqrt(squares) + 1e-6);
    if (within < 1) u.clip = static_cast<C>(within);
  }
  u.keepFirst = static_cast<C>(1 - a.beta1);
  u.keepSecond = static_cast<C>(1 - a.beta2);
  u.beta2 = static_cast<C>(a.beta2);
  u.epsilon = static_cast<C>(a.epsilon);
  u.momentum = static_cast<C>(a.momentum);
  u.weightDecay = static_cast<C>(a.weightDecay);
  u.l1 = static_cast<C>(a.l1);
  u.clipValue = static_cast<C>(a.clipValue);
  u.kind = a.kind;
  u.nesterov = a.nesterov;
  u.isPlain = u.clip == 1 && u.clipValue <= 0 && u.l1 == 0;
  return u;
}

// The gradient as clipping and the L1 penalty leave it.
template <class C>
__device__ inline C reshaped(const Update<C>& u, C value, C g) {
  g *= u.clip;
  if (u.clipValue > 0) g = g > u.clipValue ? u.clipValue : (g < -u.clipValue ? -u.clipValue : g);
  return g + (value > 0 ? u.l1 : (value < 0 ? -u.l1 : C(0)));
}

// The new value from the old one; m and v are the element's two moments. torch.optim's arithmetic.
template <class C>
__device__ inline C updated(const Update<C>& u, C value, C g, C& m, C& v) {
  if (!u.isPlain) g = reshaped(u, value, g);
  if (u.kind == kAdamW) {
    value -= u.learningRate * u.weightDecay * value;
  } else if (u.weightDecay != 0) {
    g += u.weightDecay * value;
  }
  switch (u.kind) {
    case kSgd:
      m = u.momentum * m + g;
      return value - u.learningRate * (u.nesterov != 0 ? g + u.momentum * m : m);
    case kAdamax: {
      m += (g - m) * u.keepFirst;
      const C magnitude = (g < 0 ? -g : g) + u.epsilon;
      const C kept = v * u.beta2;
      v = kept > magnitude ? kept : magnitude;
      return value - u.stepSize * quotient(m, v);
    }
    case kRmsProp: {
      v += (g * g - v) * u.keepSecond;
      m = u.momentum * m + quotient(g, root(v) + u.epsilon);
      return value - u.learningRate * m;
    }
    case kAdaGrad:
      v += g * g;
      return value - u.learningRate * quotient(g, root(v) + u.epsilon);
    default:
      m += (g - m) * u.keepFirst;
      v += (g * g - v) * u.keepSecond;
      return value - u.stepSize * quotient(m, root(v) * u.inverseRoot + u.epsilon);
  }
}

// Moves the counters on. Run by one thread, once all blocks have read what they need.
__device__ inline void endStep(const OptimizeArguments& a, bool isFinite) {
  StepState& s = *a.state;
  s.ticket = 0;
  s.taken = 0;
  if (s.stopped != 0) return;
  if (!isFinite && a.skipNonFinite == 0) {
    s.stopped = 1;
    return;
  }
  if (!isFinite) {
    ++s.skipped;
  } else {
    s.taken = 1;
    ++s.averaged;
    s.loss += s.batchLoss;
    s.reconstruction += s.batchReconstruction;
    s.kl += s.batchKl;
    s.examples += a.rows;
  }
  ++s.step;
  ++s.index;
  ++s.batch;
}

// Blocks of 256 threads, any number of them.
template <class T>
__device__ inline void optimize(const OptimizeArguments& a) {
  using C = Compute<T>;
  __shared__ Update<C> shared;
  double mine = 0;
  for (int i = threadIdx.x; i < a.partialCount; i += blockDim.x) mine += a.partials[i];
  const double squares = blockSum(mine);
  const bool isFinite = finite(squares) && finite(a.state->batchLoss);
  if (isFinite && a.state->stopped == 0) {
    if (threadIdx.x == 0) shared = makeUpdate<C>(a, squares);
    __syncthreads();
    const Update<C> u = shared;
    C* values = static_cast<C*>(a.values);
    C* first = static_cast<C*>(a.first);
    C* second = static_cast<C*>(a.second);
    const C* gradients = static_cast<const C*>(a.gradients);
    const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < a.count; i += stride) {
      C m = first[i], v = second[i];
      const C value = updated(u, values[i], gradients[i], m, v);
      values[i] = value;
      first[i] = m;
      second[i] = v;
      if (a.shadow != nullptr) static_cast<Bf16*>(a.shadow)[i] = toBf16(static_cast<float>(value));
    }
  }
  // The block that comes last ends the step: no other reads the state any more.
  __syncthreads();
  if (threadIdx.x != 0) return;
  __threadfence();
  if (atomicAdd(&a.state->ticket, 1u) == gridDim.x - 1) endStep(a, isFinite);
}

// The average after an update to `value`: that itself after the first.
template <class C>
__device__ inline C followed(C average, C value, C keep, bool isFirst) {
  return isFirst ? value : average + (value - average) * keep;
}

// Blocks of 256 threads, any number of them.
template <class T>
__device__ inline void averageWeights(const AverageArguments& a) {
  using C = Compute<T>;
  if (a.state->taken == 0) return;
  const bool isFirst = a.state->averaged == 1;
  const C* values = static_cast<const C*>(a.values);
  C* average = static_cast<C*>(a.average);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < a.count; i += stride)
    average[i] = followed(average[i], values[i], static_cast<C>(a.keep), isFirst);
}

// Likewise.
template <class T>
__device__ inline void putBack(const PutBackArguments& a) {
  using C = Compute<T>;
  if (a.state->taken != 0) return;
  const C* before = static_cast<const C*>(a.before);
  C* values = static_cast<C*>(a.values);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < a.count; i += stride)
    values[i] = before[i];
}

}  // namespace torchvae::kernels
