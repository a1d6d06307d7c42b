#include "cpu/flow.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "cpu/gemm.h"
#include "cpu/lane_sum.h"
#include "cpu/ranges.h"
#include "cpu/slope.h"
#include "cpu/transpose.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

// Open at first: each step begins close to the identity.
constexpr float kOpen = 2.0f;
constexpr int64_t kRange = 32;

TORCHVAE_VECTORIZED void addBiases(const float* one, const float* other, int64_t rows, int64_t columns,
                                   float* to) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) to[i * columns + j] += one[j] + other[j];
  }
}

TORCHVAE_VECTORIZED void addBias(const float* bias, int64_t rows, int64_t columns, float* to) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) to[i * columns + j] += bias[j];
  }
}

TORCHVAE_VECTORIZED void multiplyEach(const float* a, const float* b, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = a[i] * b[i];
}

TORCHVAE_VECTORIZED void addEach(const float* from, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

// A row z through its gates; logs[j] = log s.
TORCHVAE_VECTORIZED void gateRow(const float* z, const float* parts, int64_t n, float* to, float* logs) {
  for (int64_t j = 0; j < n; ++j) {
    const float gate = parts[n + j] + kOpen;
    const float e = vec::exp(gate < 0 ? gate : -gate);
    const float s = (gate < 0 ? e : 1.0f) / (1.0f + e);
    to[j] = s * z[j] + (1.0f - s) * parts[j];
    logs[j] = (gate < 0 ? gate : 0.0f) - vec::log1p(e);
  }
}

// Back: `gradient` in the row that came out becomes that in z.
TORCHVAE_VECTORIZED void gateRowBackward(const float* z, const float* parts, int64_t n, float dLogQ,
                                         float* gradient, float* dParts) {
  for (int64_t j = 0; j < n; ++j) {
    const float s = vec::sigmoid(parts[n + j] + kOpen);
    const float d = gradient[j];
    gradient[j] = d * s;
    dParts[j] = d * (1.0f - s);
    dParts[n + j] = (d * (z[j] - parts[j]) * s - dLogQ) * (1.0f - s);
  }
}

TORCHVAE_VECTORIZED float sumOf(const float* values, int64_t count) {
  LaneSum sum;
  const int64_t whole = count / 16 * 16;
  for (int64_t i = 0; i < whole; i += 16) {
    for (int64_t k = 0; k < 16; ++k) sum.lane[k] += values[i + k];
  }
  for (int64_t i = whole; i < count; ++i) sum.lane[i - whole] += values[i];
  return static_cast<float>(sum.total());
}

// Values of each of FlowMemory's parts, in its order.
std::vector<int64_t> memorySizes(const FlowShape& s) {
  const int64_t in = s.hidden * s.inputs(), out = 2 * s.size * s.hidden;
  return {in,
          in,
          out,
          out,
          s.rows * s.inputs(),
          s.rows * s.hidden,
          s.rows * 2 * s.size,
          s.rows * s.hidden,
          s.rows * 2 * s.size};
}

// The matrices of one step as the products take them: the first for item 0, the second for item 1.
void prepare(const FlowShape& s, const FlowStepWeights& w, const FlowMemory& memory, int64_t item) {
  if (item == 1) {
    multiplyEach(w.second, w.secondMask, 2 * s.size * s.hidden, memory.out);
    transpose(memory.out, s.hidden, 2 * s.size, s.hidden, memory.outT, 2 * s.size);
    return;
  }
  for (int64_t i = 0; i < s.hidden; ++i) {
    float* to = memory.in + i * s.inputs();
    multiplyEach(w.first + i * s.size, w.firstMask + i * s.size, s.size, to);
    std::copy_n(w.context + i * s.given, s.given, to + s.size);
  }
  transpose(memory.in, s.inputs(), s.hidden, s.inputs(), memory.inT, s.hidden);
}

// The perceptron of one step for rows whose `inputs` are there.
void passRows(const FlowShape& s, const FlowStepWeights& w, const FlowMemory& memory, int64_t first,
              int64_t count) {
  float* hidden = memory.hidden + first * s.hidden;
  float* parts = memory.parts + first * 2 * s.size;
  multiply(count, s.hidden, s.inputs(), memory.inputs + first * s.inputs(), s.inputs(), memory.inT, s.hidden,
           hidden, s.hidden);
  addBiases(w.firstBias, w.contextBias, count, s.hidden, hidden);
  applyActivation(ActivationKind::kElu, hidden, count * s.hidden, hidden, nullptr);
  multiply(count, 2 * s.size, s.hidden, hidden, s.hidden, memory.outT, 2 * s.size, parts, 2 * s.size);
  addBias(w.secondBias, count, 2 * s.size, parts);
}

// A row of z as the `step`th step takes it, or as it was before that.
void orderRow(const float* from, int64_t size, size_t step, float* to) {
  step == 0 ? std::copy_n(from, size, to) : std::reverse_copy(from, from + size, to);
}

void forwardRows(const Flow& flow, int64_t first, int64_t count, const FlowCode<const float>& from,
                 const float* given, const FlowCode<float>& to) {
  const FlowShape& s = flow.shape;
  std::vector<float> logs(static_cast<size_t>(s.size));
  std::vector<double> sums(static_cast<size_t>(count));
  for (size_t step = 0; step < flow.weights.size(); ++step) {
    const FlowMemory& memory = flow.memory[step];
    for (int64_t i = first; i < first + count; ++i) {
      float* row = memory.inputs + i * s.inputs();
      orderRow((step == 0 ? from.z : to.z) + i * s.size, s.size, step, row);
      std::copy_n(given + i * s.given, s.given, row + s.size);
    }
    passRows(s, flow.weights[step], memory, first, count);
    for (int64_t i = first; i < first + count; ++i) {
      gateRow(memory.inputs + i * s.inputs(), memory.parts + i * 2 * s.size, s.size, to.z + i * s.size,
              logs.data());
      for (const float log : logs) sums[static_cast<size_t>(i - first)] += log;
    }
  }
  for (int64_t i = 0; i < count; ++i) {
    to.logQ[first + i] = static_cast<float>(from.logQ[first + i] - sums[static_cast<size_t>(i)]);
  }
}

// What one range of rows needs on its way back.
struct BackwardScratch {
  explicit BackwardScratch(const FlowShape& s, int64_t count)
      : parts(static_cast<size_t>(count * 2 * s.size)),
        hidden(static_cast<size_t>(count * s.hidden)),
        inputs(static_cast<size_t>(count * s.inputs())) {}

  std::vector<float> parts, hidden, inputs;
};

// Back through one step: dz [count, D] becomes the gradient in the z that the step took.
void backStep(const Flow& flow, size_t step, int64_t first, int64_t count, const float* dLogQ, float* dz,
              float* dGiven, BackwardScratch& scratch) {
  const FlowShape& s = flow.shape;
  const FlowMemory& memory = flow.memory[step];
  float *dParts = scratch.parts.data(), *dHidden = scratch.hidden.data(), *dInputs = scratch.inputs.data();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = first + i;
    gateRowBackward(memory.inputs + row * s.inputs(), memory.parts + row * 2 * s.size, s.size, dLogQ[i],
                    dz + i * s.size, dParts + i * 2 * s.size);
  }
  multiply(count, s.hidden, 2 * s.size, dParts, 2 * s.size, memory.out, s.hidden, dHidden, s.hidden);
  multiplyBySlope(ActivationKind::kElu, dHidden, memory.hidden + first * s.hidden, count * s.hidden, dHidden);
  multiply(count, s.inputs(), s.hidden, dHidden, s.hidden, memory.in, s.inputs(), dInputs, s.inputs());
  transpose(dParts, 2 * s.size, count, 2 * s.size, memory.dPartsT + first, s.rows);
  transpose(dHidden, s.hidden, count, s.hidden, memory.dHiddenT + first, s.rows);
  for (int64_t i = 0; i < count; ++i) {
    addEach(dInputs + i * s.inputs(), s.size, dz + i * s.size);
    addEach(dInputs + i * s.inputs() + s.size, s.given, dGiven + i * s.given);
    if (step > 0) std::reverse(dz + i * s.size, dz + (i + 1) * s.size);
  }
}

// Rows [first, first + count) of a matrix of weights' gradients, `factorT` x with a factor's transpose
// [rows of the matrix, B] and x [B, columns].
struct Gradient {
  const float* factorT;
  const float* x;
  int64_t batch, columns;

  std::vector<float> rows(int64_t first, int64_t count) const {
    std::vector<float> made(static_cast<size_t>(count * columns));
    multiply(count, columns, batch, factorT + first * batch, batch, x, columns, made.data(), columns);
    return made;
  }
  float sum(int64_t row) const { return sumOf(factorT + row * batch, batch); }
};

TORCHVAE_VECTORIZED void addMasked(const float* from, const float* mask, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i] * mask[i];
}

void addFirstGradients(const FlowShape& s, const FlowStepWeights& w, const FlowMemory& memory,
                       const FlowWeights<float>& to, int64_t first, int64_t count) {
  const Gradient gradient{memory.dHiddenT, memory.inputs, s.rows, s.inputs()};
  const std::vector<float> made = gradient.rows(first, count);
  for (int64_t i = 0; i < count; ++i) {
    const float* from = made.data() + i * s.inputs();
    const int64_t unit = first + i;
    addMasked(from, w.firstMask + unit * s.size, s.size, to.first + unit * s.size);
    addEach(from + s.size, s.given, to.context + unit * s.given);
    const float bias = gradient.sum(unit);
    to.firstBias[unit] += bias;
    to.contextBias[unit] += bias;
  }
}

void addSecondGradients(const FlowShape& s, const FlowStepWeights& w, const FlowMemory& memory,
                        const FlowWeights<float>& to, int64_t first, int64_t count) {
  const Gradient gradient{memory.dPartsT, memory.hidden, s.rows, s.hidden};
  const std::vector<float> made = gradient.rows(first, count);
  const int64_t at = first * s.hidden;
  addMasked(made.data(), w.secondMask + at, count * s.hidden, to.second + at);
  for (int64_t i = first; i < first + count; ++i) to.secondBias[i] += gradient.sum(i);
}

}  // namespace

int64_t flowMemorySize(const FlowShape& shape) {
  const std::vector<int64_t> sizes = memorySizes(shape);
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{0});
}

Flow makeFlow(const FlowShape& shape, std::vector<FlowStepWeights> weights, float* memory) {
  Flow flow{shape, std::move(weights), {}};
  const std::vector<int64_t> sizes = memorySizes(shape);
  for (size_t step = 0; step < flow.weights.size(); ++step) {
    FlowMemory parts{};
    size_t i = 0;
    for (float** part : {&parts.in, &parts.inT, &parts.out, &parts.outT, &parts.inputs, &parts.hidden,
                         &parts.parts, &parts.dHiddenT, &parts.dPartsT}) {
      *part = memory;
      memory += sizes[i++];
    }
    flow.memory.push_back(parts);
  }
  return flow;
}

void flowForward(Pool& pool, const Flow& flow, const FlowCode<const float>& from, const float* given,
                 const FlowCode<float>& to) {
  pool.run(static_cast<int64_t>(2 * flow.weights.size()), [&](int64_t item) {
    const auto step = static_cast<size_t>(item / 2);
    prepare(flow.shape, flow.weights[step], flow.memory[step], item % 2);
  });
  forRanges(pool, flow.shape.rows, kRange,
            [&](int64_t first, int64_t last) { forwardRows(flow, first, last - first, from, given, to); });
}

void flowBackward(Pool& pool, const Flow& flow, const FlowCode<const float>& gradient, float* dz,
                  float* dGiven) {
  const FlowShape& s = flow.shape;
  forRanges(pool, s.rows, kRange, [&](int64_t first, int64_t last) {
    const int64_t count = last - first;
    BackwardScratch scratch(s, count);
    std::copy_n(gradient.z + first * s.size, count * s.size, dz + first * s.size);
    std::fill_n(dGiven + first * s.given, count * s.given, 0.0f);
    for (size_t step = flow.weights.size(); step-- > 0;) {
      backStep(flow, step, first, count, gradient.logQ + first, dz + first * s.size, dGiven + first * s.given,
               scratch);
    }
  });
}

void flowWeightGradients(Pool& pool, const Flow& flow, const std::vector<FlowWeights<float>>& gradients) {
  const FlowShape& s = flow.shape;
  const int64_t firstTiles = (s.hidden + kRange - 1) / kRange;
  const int64_t tiles = firstTiles + (2 * s.size + kRange - 1) / kRange;
  pool.run(static_cast<int64_t>(flow.weights.size()) * tiles, [&](int64_t item) {
    const auto step = static_cast<size_t>(item / tiles);
    const FlowStepWeights& weights = flow.weights[step];
    const int64_t tile = item % tiles;
    if (tile < firstTiles) {
      const int64_t first = tile * kRange;
      addFirstGradients(s, weights, flow.memory[step], gradients[step], first,
                        std::min(kRange, s.hidden - first));
    } else {
      const int64_t first = (tile - firstTiles) * kRange;
      addSecondGradients(s, weights, flow.memory[step], gradients[step], first,
                         std::min(kRange, 2 * s.size - first));
    }
  });
}

}  // namespace torchvae::cpu
