// The device's executor: a model's step, sent off as captured graphs of many steps.
//
// Nothing in such a step comes from the host: which batch, which noise, which learning rate are read from a
// StepState on the device, which the step itself moves on. So one graph serves every chunk of every epoch,
// and the host reads the sums once a chunk.
#pragma once

#include <functional>
#include <memory>

#include "cuda_part.h"
#include "engine.h"
#include "kernels/kernels.h"
#include "step/step.h"
#include "store/weights.h"
#include "train/observer.h"
#include "train/team.h"

namespace torchvae {

class GraphExecutor {
 public:
  // Steps in a captured graph. Launching one costs the host some tens of microseconds, so that many steps a
  // graph keep the device busy; the batches left over at an epoch's end go as graphs of one step.
  static constexpr int64_t kStepsPerGraph = 25;
  // Steps between two readings of the state, at most: with small models, what lib/training asks for at a
  // time.
  static constexpr int64_t kScheduleRows = 1024;
  // Steps that run as they are before their like is captured: libraries choose their kernels and allocate
  // their workspaces there.
  static constexpr int64_t kWarmUpSteps = 2;

  // Whether the device's kernels do what these settings ask for.
  static bool serves(const Context& context, const OptimizerSettings& settings);

  // All that a captured graph refers to; another batch size, data that lie elsewhere, or another way between
  // the ranks take another executor. `terms` is the number of the objective's further terms; `team` sums by
  // its capturedWay(), or is alone.
  GraphExecutor(const Context& context, Step& step, Store& store, const ResidentDataset& data, uint64_t seed,
                int64_t batchSize, const OptimizerSettings& settings, int64_t terms, const Team& team);
  bool fits(const ResidentDataset& data, int64_t batchSize, const OptimizerSettings& settings,
            const Team& team) const;

 private:
  friend class GraphRun;

  // What was seen of a step. A graph writes it where its first run has.
  struct Observation {
    StepObserver observer;
    at::Tensor skippedBefore{};  // the count of skipped updates when the step began
    int64_t warm = 0;
    std::unique_ptr<CapturedWork> work{};
  };
  // Batches of one number of rows: the epoch's whole ones, or its last.
  struct Shape {
    Share own{};            // the part of a batch that is this rank's: all of it, for a process alone
    int64_t batchRows = 0;  // of all ranks
    int64_t warm = 0;
    std::unique_ptr<CapturedWork> one, many;
    std::unique_ptr<Observation> observed;
  };
  // Whether steps of batches of as many rows come before and after a step in its graph.
  struct Neighbors {
    bool before = false, after = false;
  };
  void runStep(const Shape& shape, Observation* observation, const Neighbors& neighbors);
  void runStep(const Shape& shape, Observation* observation = nullptr) { runStep(shape, observation, {}); }
  void judgePart(const Shape& shape);
  void updateBySum(const Shape& shape);
  void followUpdate();
  // Keeps what follows the batches, and puts it back as it was then.
  void keepBuffers();
  void putBuffersBack();
  std::unique_ptr<CapturedWork> capture(std::function<void()> body);
  void replay(CapturedWork& work);
  int64_t advance(Shape& shape, int64_t steps);
  Observation& observe(Shape& shape);

  Context context_;
  Step& step_;
  Parameters& parameters_;
  at::Tensor buffers_, buffersBefore_;  // of the model, if it has any, before and while a step runs
  Team* team_ = nullptr;                // of the present run
  const ResidentDataset* data_;  // of the present run; a graph reads its values and labels where they lie
  const void* values_;
  const void* labels_;
  uint64_t seed_;
  int64_t rows_, columns_;
  c10::ScalarType type_;
  bool isDrawn_;
  int64_t batchSize_;
  OptimizerSettings settings_;
  at::Tensor order_;  // int64 [examples]
  // The clock's bytes, terms and schedule, one after the other, so that one copy brings all of them.
  at::Tensor shared_;
  DeviceClock clock_;
  Shape whole_, last_;
  // Of several ranks: the sums that graphs hold, the data that all ranks have made anew or not, the whole
  // flat gradient, and its sums of squares.
  int64_t way_, serial_;
  std::vector<GradientPart> gradient_;
  at::Tensor squares_;
};

}  // namespace torchvae
