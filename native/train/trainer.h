// Trains a model: the order of an epoch, the steps of a chunk, one after the other or as captured graphs.
#pragma once

#include <memory>

#include "step/step.h"
#include "store/weights.h"
#include "train/graph_run.h"

namespace torchvae {

// What a trainer needs of the model that it trains; all of it outlives the trainer.
struct Trained {
  const Context& context;
  Store& store;
  Step& step;
  // Whether the loss of an example depends on the others of its batch; and the step that then takes the part
  // of a batch that several ranks' processes leave to one.
  bool couplesRows;
  Step& partStep;
  uint64_t seed;                 // of the noise
  int64_t terms;                 // of the objective, beside reconstruction and kl
  double adversaryLearningRate;  // of the adversary's Adam; 0 where there is none
};

class Trainer {
 public:
  explicit Trainer(const Trained& model) : model_(model) {}

  // A chunk that is to be run, as run() has it.
  struct Turn {
    Trainer& trainer;
    const TrainChunk& chunk;
    int64_t& step;
  };
  // Runs the chunks of several models of one device: at a time where the device's kernels can, else in turn;
  // to the bits of run() in any case.
  static std::vector<TrainOutcome> runTogether(const std::vector<Turn>& turns);

  // Runs `chunk` and moves `step`, the count of updates, along. Where a loss or a gradient is not finite the
  // chunk ends, or the update counts as skipped, with its examples left out of the sums; weights and buffers
  // are then as they were before the update.
  TrainResult run(const TrainChunk& chunk, int64_t& step);

 private:
  // The order in which an epoch's batches take the examples.
  struct Order {
    uint64_t seed = 0;
    int64_t epoch = -1;
    bool shuffle = false;
    at::Tensor indices;  // int64 [examples]

    bool serves(const TrainChunk& chunk, int64_t itsEpoch) const;
  };
  static Order makeOrder(const TrainChunk& chunk, int64_t epoch);
  const at::Tensor& orderOf(const TrainChunk& chunk);
  void prepareNext(const TrainChunk& chunk);
  // Those of `turns` that `joined` has, by blocks of one launch or by graphs in lanes.
  static void runBlocksOf(const std::vector<Turn>& turns, const std::vector<size_t>& joined,
                          std::vector<TrainOutcome>& outcomes);
  static void runGraphsOf(const std::vector<Turn>& turns, const std::vector<size_t>& joined,
                          std::vector<TrainOutcome>& outcomes);
  void prepare(const TrainChunk& chunk);
  Trained taken(const TrainChunk& chunk) const;
  bool isTakenByBlock(const TrainChunk& chunk) const;
  GraphTask graphTask(const TrainChunk& chunk, int64_t& step);
  TrainResult runAlone(const TrainChunk& chunk, int64_t& step);
  bool isCapturable(const TrainChunk& chunk) const;
  bool isExchangeCapturable(const TrainChunk& chunk) const;
  TrainResult loop(const TrainChunk& chunk, const at::Tensor& order, int64_t& step);

  Trained model_;
  std::unique_ptr<GraphExecutor> executor_;  // on a device with fused kernels
  Order order_;                              // of the epoch that was asked for last, on the model's device
  Order next_;                               // of the epoch after it, on the host
};

}  // namespace torchvae
