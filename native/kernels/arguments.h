// What the fused kernels take: one plain struct each, read by three compilers (the engine's, NVRTC, and g++
// for the kernels' twin on the CPU), so that a kernel and its caller cannot disagree. Pointers are to device
// memory.
//
// T is the type of activations (float, bf16 or double), P that of parameters and losses (float, or double
// beside double). Matrices are row-major. A null `state` means that the values beside it hold.
#pragma once

#ifdef __CUDACC_RTC__
using int64_t = long long;
using uint64_t = unsigned long long;
using int32_t = int;
using uint32_t = unsigned int;
using uint16_t = unsigned short;
using uint8_t = unsigned char;
#else
#include <cstdint>
#endif

#include "likelihoods.h"

namespace torchvae::kernels {

// How the factors of a product are rounded; sums are of float32.
enum Precision : int {
  kFloat32,  // not: each is split into two tf32, and of their four products the three largest are taken
  kTf32,     // to 10 bits behind the point
  kBf16,     // to 7
};

// One step's row of the schedule: engine.h's StepSchedule.
struct ScheduleRow {
  double learningRate;
  double beta;
  double capacity;
  double temperature;
};

// Where training stands, on the device. Kernels read it in place of arguments, so that one captured graph
// serves every step; the last block of the optimizer's kernel moves it on.
struct StepState {
  int64_t step;   // updates since the weights were drawn: the position in the noise
  int64_t index;  // steps of this chunk so far: the row of the schedule
  int64_t batch;  // of the epoch: the position in the order
  int64_t examples;
  int64_t skipped;
  int64_t averaged;  // updates that the weights' moving average has seen; it begins at 1 where there is one
  double loss, reconstruction, kl;      // sums over examples, nats
  double batchReconstruction, batchKl;  // of the present batch
  double batchLoss;
  double learningRate;  // of the present step
  double stepSize;      // the learning rate / (1 - beta1^t)
  double inverseRoot;   // 1 / sqrt(1 - beta2^t)
  int32_t stopped;      // a loss or a gradient was not finite: every later step leaves the weights alone
  uint32_t ticket;      // blocks of the optimizer's kernel that are done
  int32_t taken;        // whether the update of the step that ended last was taken
};

// x[i] = data[order[first + i]], whose images' channels move from the outermost place to the innermost, with
// zeros behind the last up to `storedChannels`, and
// noise ~ N(0, 1) by the draws of (seed, stream, step), of which these rows' are those of rows place,
// place + 1, ... Where a row of x or of z is longer than its values, the example's label follows, one-hot.
struct LoadArguments {
  const void* data;       // [examples, columns], uint8 (scaled by 1/255) or float
  const int64_t* order;   // [examples]
  const int64_t* labels;  // [examples], or null
  void* x;                // T [rows, xStride]
  void* z;                // T [rows, zStride]: only the label is written
  void* noise;            // P [rows, latent]
  const StepState* state;
  int64_t first;  // place of the first row in `order`, with a state in the batch that it points to
  int64_t step;
  uint64_t seed;
  uint32_t stream;
  uint32_t
      binaryStream;  // of the numbers that draw 0 or 1 by the values' probabilities; 0 to take the values
  int32_t isUint8;
  int32_t rows, columns, latent, batchSize, channels, storedChannels;
  int32_t xStride, zStride, place;
  int32_t ahead;  // of the batch that many places behind the state's, and of that many steps later
};

// to[i] ~ N(0, 1), or U(0, 1) without its ends, by the draws first + i of (seed, stream, step).
struct RandomArguments {
  void* to;  // T [count]
  const StepState* state;
  int64_t first, count, step;
  uint64_t seed;
  uint32_t stream;
  int32_t isUniform;
};

// How threads share out a matrix [lines, columns]: each keeps to its columns and takes every so many lines
// (columns.cuh).
struct ColumnWalk {
  int64_t lines;
  int32_t columns;
  int32_t vector;  // columns of a thread: as many as fill 16 bytes, or 1
  int32_t width;   // threads of a block beside each other; its others take further lines
  int32_t slices;  // blocks beside each other
};

// y = activate(from + bias of the column), or without a bias where that is null; `from` may be y.
struct ActivateArguments {
  const void* from;  // T [lines, columns]
  void* y;           // T [lines, columns]
  void* slope;       // T [lines, columns] or null: where the activation's slope goes
  const void* bias;  // T [columns] or null
  ColumnWalk walk;
  int32_t kind;  // spec.h's ActivationKind
};

// to = from * slope of the activation that `kept` was kept of; `to` may be `from`.
struct SlopeArguments {
  const void* from;  // T [lines, columns]
  const void* kept;  // T [lines, columns]: its output, or its slope
  void* to;          // T [lines, columns]
  void* sums;        // P [blocks that follow each other, columns] or null: each block's sums of `to`
  ColumnWalk walk;
  int32_t kind;
};

// z = mean + exp(logVariance / 2) noise; kl of each row against N(0, I).
struct SampleArguments {
  const void* head;   // T [rows, 2 latent]: means, then log-variances
  const void* noise;  // P [rows, latent]
  void* z;            // T [rows, zStride]
  void* kl;           // P [rows]
  int32_t rows, latent, zStride;
};

// What a batch pays for its divergence, and how much of each dimension's divergence counts in the gradient:
// with free bits max(freeBits, mean over the batch) summed over the dimensions, with a capacity |mean KL -
// capacity|.
struct KlCostArguments {
  const void* head;        // T [rows, 2 latent]
  void* factors;           // P [latent]
  double* cost;            // [1]
  const StepState* state;  // gives the row of `schedule` to take the capacity from
  const ScheduleRow* schedule;
  double freeBits, capacity;
  int32_t rows, latent, hasCapacity;
};

// The gradient of mean(reconstruction + beta kl) in `head`, from dz, that of the mean reconstruction.
struct SampleBackwardArguments {
  const void* head;
  const void* noise;
  const void* dz;          // T [rows, dzStride]
  const void* factors;     // P [latent]: of each dimension's divergence; null for 1
  void* gradient;          // T [rows, 2 latent]
  const StepState* state;  // gives the row of `schedule` to take beta from
  const ScheduleRow* schedule;
  double beta;
  int32_t rows, latent, dzStride;
};

// loss[i] = -log p(x_i | y_i + bias), of the used columns; gradient = scale * d loss / dy unless null, which
// is 0 in the others.
struct LikelihoodArguments {
  const void* x;     // T [rows, xStride]
  const void* y;     // T [rows, lines, columns]
  const void* bias;  // T [columns] or null
  void* loss;        // P [rows]
  void* gradient;    // T [rows, lines, columns] or null
  void* sums;        // P [rows, columns] or null: the gradient's sums over a row's lines
  double scale;
  double precision, constant;  // times the sum over a row, and added to it
  LikelihoodKind kind;
  int32_t sigmoid;  // whether the location is sigmoid(y) in place of y
  int32_t rows, xStride, used;
  ColumnWalk walk;  // over one row
};

// A range of the flat gradient, and what it is made of.
struct GradientRange {
  // [count], to be copied, or [lines, count], of which the sums over the lines are taken; null where the
  // gradient is there already.
  const void* from;
  int64_t offset, count;
  int32_t lines;       // 0 for values to be copied
  int32_t isExact;     // whether `from` is of type P in place of T
  int32_t firstBlock;  // of the kernel's grid
};

constexpr int kMaxRanges = 64;        // the argument must fit in 4 KB
constexpr int kColumnsPerBlock = 32;  // of column sums
constexpr int kValuesPerBlock = 8192;

// Gathers the gradients, and leaves of every block the sum of its gradients' squares. Block 0 also
// sums the batch's losses and works out the step's bias corrections, where there is a state.
struct GradientArguments {
  void* gradients;   // P [...]
  double* partials;  // [blocks]
  StepState* state;  // or null
  const ScheduleRow* schedule;
  const void* reconstruction;  // P [rows]
  const void* kl;              // P [rows]
  const void* loss;            // P [1], the batch's; null for reconstruction + beta klCost
  const double* klCost;        // [1], for each example; null for the mean of kl
  double beta1, beta2;
  int32_t rows, ranges;
  GradientRange range[kMaxRanges];
};

// One update of the flat parameters, and the step's end. `kind` is engine.h's OptimizerKind.
struct OptimizeArguments {
  void* values;  // P [count]
  void* first;   // P [count]: Adam's first moment, SGD's and RMSprop's momentum
  void* second;  // P [count]: Adam's second moment, RMSprop's and AdaGrad's sum of squares
  const void* gradients;
  void* shadow;            // bf16 copy of the values, or null
  const double* partials;  // [blocks of the gradients' kernel]
  StepState* state;
  const ScheduleRow* schedule;
  double beta1, beta2, epsilon, momentum, weightDecay, l1, clipNorm, clipValue;
  int64_t count;
  int32_t partialCount, rows, kind, nesterov, skipNonFinite;
};

// After a step's end: the weights' moving average follows an update that was taken.
struct AverageArguments {
  const void* values;  // P [count]
  void* average;       // P [count]
  const StepState* state;
  double keep;  // of the difference between the two
  int64_t count;
};

// After a step's end: what follows the batches, such as running statistics, is as it was before a batch that
// was refused.
struct PutBackArguments {
  void* values;        // P [count]
  const void* before;  // P [count]
  const StepState* state;
  int64_t count;
};

}  // namespace torchvae::kernels
