// The fused kernels of kernels, as operations on tensors. They are what a CUDA device's models run
// between their matrix products.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

#include "base/context.h"
#include "cpu/likelihood.h"
#include "cuda_part.h"
#include "kernels/arguments.h"
#include "random/philox.h"
#include "spec.h"

namespace torchvae {

using kernels::ScheduleRow;
using kernels::StepState;

// How our own products round their factors.
inline kernels::Precision precisionOf(const Context& context) {
  if (context.bf16) return kernels::kBf16;
  return context.tf32 ? kernels::kTf32 : kernels::kFloat32;
}

// The weight of the KL divergence and its capacity: numbers, or the row of a schedule on the device that the
// device's own counter points to.
struct KlWeight {
  KlWeight(double value) : beta(value) {}  // NOLINT: a number is a weight
  KlWeight(const StepState* where, const ScheduleRow* rows) : state(where), schedule(rows) {}
  KlWeight(double value, double nats) : beta(value), capacity(nats) {}
  double beta = 1;
  double capacity = 0;
  const StepState* state = nullptr;
  const ScheduleRow* schedule = nullptr;
};

// A range of the flat gradient, and what it is made of.
struct GradientPart {
  int64_t offset = 0;
  int64_t count = 0;
  // [count], to be copied, or [lines, count], to be summed over its lines; in the type of activations or of
  // parameters. Undefined for a range that is there already.
  at::Tensor from;
};

// Sums of a gradient's columns, of which the first `lines` lines of `parts` [kMostSums or more, columns] have
// one each: what a kernel's blocks leave, for finishGradients() to add up. Without `parts` nobody asks for
// them.
struct ColumnSums {
  at::Tensor parts;
  int64_t lines = 0;
};

// A batch to be loaded. Where `state` is given, it says which.
struct BatchSource {
  const at::Tensor& data;   // [examples, columns], uint8 or float32
  const at::Tensor& order;  // int64 [examples]
  int64_t first = 0;        // place of the first row in `order`; with `state`, in the batch
  int64_t batchSize = 0;    // places between two batches, for `state`
  uint64_t seed = 0;        // of the noise
  int64_t step = 0;
  const StepState* state = nullptr;
  at::Tensor labels{};   // int64 [examples]; undefined where the model is not conditioned on them
  bool isDrawn = false;  // whether the data are probabilities, of which 0 or 1 are drawn
  int64_t place = 0;     // of the first row in the batch of all ranks, of which this is a part
  // Of images, which lie channel by channel in `data` and pixel by pixel in x.
  int64_t channels = 1, storedChannels = 1;
  // As in StepInput.
  bool isLoaded = false, loadsNext = false;
};

// The objective's price for the divergence: see KlCostArguments.
struct KlPrice {
  double freeBits = 0;
  bool hasCapacity = false;
  bool isPlain() const { return freeBits == 0 && !hasCapacity; }
};

// What likelihood() reads and writes: see LikelihoodArguments.
struct LikelihoodBatch {
  at::Tensor x, y;
  at::Tensor bias;      // of y's images, channel by channel as they are stored; undefined for none
  int64_t channels;     // beside a bias: those that are used
  at::Tensor loss;      // [rows]
  at::Tensor gradient;  // as y; undefined for the losses alone
};

// What finishGradients() sums up: see GradientArguments.
struct BatchLosses {
  at::Tensor reconstruction, kl;  // [rows]
  at::Tensor loss;                // [1], or undefined
  at::Tensor klCost;              // double [1], or undefined
};

// The flat buffers of an update.
struct UpdateBuffers {
  at::Tensor values, gradients, first, second;
  at::Tensor shadow;    // bf16, or undefined
  at::Tensor partials;  // double: sums of squares, by blocks of gradients
};

kernels::OptimizeArguments optimizeArguments(const UpdateBuffers& buffers, int64_t blocks, int64_t rows,
                                             const OptimizerSettings& settings, StepState* state,
                                             const ScheduleRow* schedule);

// What loadBatch() hands to its kernel, for others that load a batch besides.
kernels::LoadArguments loadArguments(const BatchSource& source, int64_t rows, const at::Tensor& x,
                                     const at::Tensor& noise, const at::Tensor& z);

class Kernels {
 public:
  // One for each line of list.h.
  enum Name {
#define TORCHVAE_KERNEL(name, Arguments, threads) k_##name,
#include "kernels/list.h"
#undef TORCHVAE_KERNEL
    kNames
  };

  explicit Kernels(CudaPart& part) : part_(part) {}

  CudaPart& part() {
    return part_;
  }

  // x [rows, columns as stored] of type T, noise [rows, latent]. With labels, rows of x and of z may have
  // room for a one-hot label behind their values.
  void loadBatch(const BatchSource& source, int64_t rows, const at::Tensor& x, const at::Tensor& noise,
                 const at::Tensor& z = {});
  // to ~ N(0, 1) or U(0, 1) by `draw`, whose step is the state's where one is given.
  void fillRandom(const Draw& draw, int64_t first, bool isUniform, const StepState* state,
                  const at::Tensor& to);
  // y = activate(from + bias), over the first `rows` rows; `bias` [columns] may be undefined, `from` may be
  // y. `slope`, unless undefined, gets the activation's slope.
  void activate(ActivationKind kind, const at::Tensor& from, const at::Tensor& bias, const at::Tensor& y,
                const at::Tensor& slope, int64_t rows);
  // to = from times the slope of the activation that `kept` was kept of, over the first `rows` rows, whose
  // values are those of `sums` in turn.
  void scaleBySlope(ActivationKind kind, const at::Tensor& kept, const at::Tensor& from, const at::Tensor& to,
                    int64_t rows, ColumnSums& sums);
  static constexpr int64_t kMostSums = 1024;
  void sample(const at::Tensor& head, const at::Tensor& noise, int64_t rows, const at::Tensor& z,
              const at::Tensor& kl);
  // factors [latent]: how much of each dimension's divergence counts; cost [1], double.
  void klCost(const KlPrice& price, const at::Tensor& head, const KlWeight& weight, int64_t rows,
              const at::Tensor& factors, const at::Tensor& cost);
  // `factors` may be undefined, for 1.
  void sampleBackward(const at::Tensor& head, const at::Tensor& noise, const at::Tensor& dz,
                      const KlWeight& weight, const at::Tensor& factors, int64_t rows,
                      const at::Tensor& gradient);
  // -log p(x|y + bias) of each row; `sums` are those of the gradient's channels.
  void likelihood(LikelihoodKind kind, const cpu::LikelihoodTerms& terms, const LikelihoodBatch& batch,
                  int64_t rows, ColumnSums& sums);

  // Blocks that finishGradients() leaves a sum of squares of.
  static int64_t gradientBlocks(const std::vector<GradientPart>& parts);
  // Gathers the gradients and makes the sums of squares, partials [gradientBlocks]. With a state, also the
  // batch's sums of its losses, and the optimizer's corrections.
  void finishGradients(const std::vector<GradientPart>& parts, int64_t rows, const at::Tensor& gradients,
                       const at::Tensor& partials, const BatchLosses& losses,
                       const OptimizerSettings& settings, StepState* state, const ScheduleRow* schedule);
  // The update by the first `blocks` of the partial sums, and the end of the step.
  void optimize(const UpdateBuffers& buffers, int64_t blocks, int64_t rows, const OptimizerSettings& settings,
                StepState* state, const ScheduleRow* schedule);
  // After that: the moving average, which keeps `decay` of what it was, follows where the update was taken.
  void averageWeights(const at::Tensor& values, const at::Tensor& average, double decay,
                      const StepState* state);
  // Likewise: values = before, where it was not.
  void putBack(const at::Tensor& values, const at::Tensor& before, const StepState* state);

 private:
  // `early` as LaunchShape has it.
  template <class Arguments>
  void launch(Name name, c10::ScalarType type, int64_t blocks, const Arguments& arguments,
              bool early = false);

  CudaPart& part_;
  std::array<std::array<void*, 3>, kNames> handles_{};  // by type
};

}  // namespace torchvae
