// The device's executor: a model's step, sent off as captured graphs of many steps.
//
// Nothing in such a step comes from the host: which batch, which noise, which learning rate are read from a
// StepState on the device, which the step itself moves on. So one graph serves every chunk of every epoch,
// and the host reads the sums once a chunk.
#pragma once

#include <memory>

#include "cuda_part.h"
#include "engine.h"
#include "kernels/kernels.h"
#include "step/step.h"
#include "train/observer.h"

namespace torchvae {

class GraphExecutor {
 public:
  // Steps in a captured graph. Launching one costs the host some tens of microseconds, so that many steps a
  // graph keep the device busy; the batches left over at an epoch's end go as graphs of one step.
  static constexpr int64_t kStepsPerGraph = 25;
  // Steps between two readings of the state, at most: with small models, what lib/training asks for at a time.
  static constexpr int64_t kScheduleRows = 1024;
  // Steps that run as they are before their like is captured: libraries choose their kernels and allocate
  // their workspaces there.
  static constexpr int64_t kWarmUpSteps = 2;

  // Whether the device's kernels do what these settings ask for.
  static bool serves(const Context& context, const OptimizerSettings& settings);

  // All that a captured graph refers to; another batch size, or data that lie elsewhere, take another
  // executor. `terms` is the number of the objective's further terms.
  GraphExecutor(const Context& context, Step& step, const Parameters& parameters, const ResidentDataset& data,
                uint64_t seed, int64_t batchSize, const OptimizerSettings& settings, int64_t terms);
  bool fits(const ResidentDataset& data, int64_t batchSize, const OptimizerSettings& settings) const;

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
    int64_t rows = 0;
    int64_t warm = 0;
    std::unique_ptr<CapturedWork> one, many;
    std::unique_ptr<Observation> observed;
  };
  // Whether steps of batches of as many rows come before and after a step in its graph.
  struct Neighbors {
    bool before = false, after = false;
  };
  void runStep(int64_t rows, Observation* observation, const Neighbors& neighbors);
  void runStep(int64_t rows, Observation* observation = nullptr) { runStep(rows, observation, {}); }
  int64_t advance(Shape& shape, int64_t steps);
  Observation& observe(Shape& shape);

  Context context_;
  Step& step_;
  const Parameters& parameters_;
  const ResidentDataset* data_;  // of the present run(); a graph reads its values and labels where they lie
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
};

}  // namespace torchvae
