// The whole of training, top to bottom: run() chooses between launches of whole chunks (block_run.cpp),
// captured graphs (graph.cpp) and loop(), which takes one update after another:
//
//   for each batch of the update:  differentiate, read the losses, sum the gradients
//   of several ranks:              each takes its part of the batches; their gradients are summed
//   if all is finite:              the optimizer, the weights' moving average
//   else:                          put running statistics back, and stop or skip the update
#include "train/trainer.h"

#include <ATen/Parallel.h>
#include <ATen/ops/arange.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "base/translate.h"
#include "error.h"
#include "fused/coverage.h"
#include "random/philox.h"
#include "ranks/ranks.h"
#include "store/optimizer.h"
#include "train/block_run.h"
#include "train/observer.h"
#include "train/team.h"

namespace torchvae {
namespace {

// The batches from the chunk's `first` on to the end of their update, of the epoch or of the chunk.
int64_t batchesOfUpdate(const TrainChunk& chunk, int64_t first, int64_t inEpoch) {
  const int64_t position = chunk.firstStep + first;
  const int64_t every = chunk.optimizer.accumulate;
  return std::min({every - position % every, inEpoch - position, chunk.steps - first});
}

// The place of a batch's noise; the sequence of places is a circle, as a checkpoint may claim any step.
int64_t noiseOf(int64_t step, int64_t accumulate, int64_t batch) {
  return static_cast<int64_t>(static_cast<uint64_t>(step) * static_cast<uint64_t>(accumulate) +
                              static_cast<uint64_t>(batch));
}

// The batches of a chunk: of each, the part that is this rank's.
class Batches {
 public:
  Batches(const TrainChunk& chunk, const at::Tensor& order, const Trained& model, const Team& team)
      : chunk_(chunk),
        order_(order),
        seed_(model.seed),
        isWhole_(model.couplesRows && !team.isAlone()),
        team_(team),
        data_(static_cast<const ResidentDataset&>(*chunk.data)) {}

  int64_t inEpoch() const { return (data_.rows() + chunk_.batchSize - 1) / chunk_.batchSize; }
  // Rows of all ranks.
  int64_t rowsOf(int64_t index) const { return std::min(chunk_.batchSize, data_.rows() - firstOf(index)); }

  // The `batch`th of the batches of update `step`, which is the chunk's `index`th.
  StepInput at(int64_t index, int64_t step, int64_t batch) const {
    const Share share = team_.shareOf(rowsOf(index));
    StepInput input{data_,
                    order_,
                    firstOf(index) + share.first,
                    share.rows,
                    chunk_.schedule[static_cast<size_t>(index)],
                    seed_,
                    noiseOf(step, chunk_.optimizer.accumulate, batch),
                    share.first};
    if (!isWhole_) return input;
    input.whole = team_.wholeOf(rowsOf(index));
    if (input.whole->hasRows()) return input;
    input.first = firstOf(index);
    input.rows = 1;
    input.place = 0;
    return input;
  }

 private:
  int64_t firstOf(int64_t index) const { return (chunk_.firstStep + index) * chunk_.batchSize; }

  const TrainChunk& chunk_;
  const at::Tensor& order_;
  uint64_t seed_;
  bool isWhole_;
  const Team& team_;
  const ResidentDataset& data_;
};

// One update of a model: its batches, and what follows them.
class Update {
 public:
  Update(const Trained& model, const OptimizerSettings& settings, StepObserver& observer, Team& team)
      : model_(model), settings_(settings), observer_(observer), team_(team) {}

  // Whether the losses of this batch are finite, which it adds to `sums`.
  bool differentiate(const StepInput& batch, LossSums& sums) const {
    if (batch.rows == 0) return true;
    model_.step.differentiate(batch);
    team_.await();
    return ownRows(batch) == 0 || model_.step.addLosses(sums);
  }

  // Whether the gradients of `batch`, the `index`th of `batches` and a part of `batchRows` rows, are finite;
  // after the last one the weights are updated. The batch has been differentiated.
  bool take(const StepInput& batch, int64_t batchRows, int64_t index, int64_t batches, int64_t step,
            bool isObserved) {
    const bool isLast = index + 1 == batches;
    const double rate = batch.schedule.learningRate;
    const bool mayBeAtOnce = isElementwise(settings_) && !hasAdversary() && team_.isAlone();
    if (isObserved || !mayBeAtOnce) makeGradients(batch, batchRows);
    if (isObserved) observe();
    const bool atOnce =
        mayBeAtOnce && model_.step.updateAtOnce(optimizerCoefficients(settings_, rate, step + 1));
    if (!atOnce) {
      if (mayBeAtOnce) makeGradients(batch, batchRows);
      accumulate(index == 0, isLast);
      if (!isLast) return true;
      team_.sumGradients();
      if (!applyGradients({rate, step + 1, batches, 0})) return false;
    }
    if (settings_.averageDecay > 0) averageWeights(model_.context, store().model, settings_.averageDecay);
    if (isObserved) observer_.end();
    return true;
  }

  // What is not finite in this rank's parts of the update's batches, the first of which is the chunk's
  // `first`, with the weights as they are.
  std::vector<std::string> faults(const Batches& batches, int64_t first, int64_t count, int64_t step) const {
    std::vector<std::string> found;
    for (int64_t i = 0; i < count; ++i) {
      const StepInput batch = batches.at(first + i, step, i);
      if (batch.rows == 0) continue;
      LossSums sums;
      differentiate(batch, sums);
      if (!found.empty() || ownRows(batch) == 0) continue;
      model_.step.makeGradients();
      team_.await();
      found = faultsOf({}, sums, store().model);
    }
    return found;
  }

 private:
  // A row that a rank has for others' sake is not counted.
  static int64_t ownRows(const StepInput& batch) {
    return batch.whole && !batch.whole->hasRows() ? 0 : batch.rows;
  }

  Store& store() const { return model_.store; }
  bool hasAdversary() const { return store().adversary.size() > 0; }

  void makeGradients(const StepInput& batch, int64_t batchRows) const {
    const int64_t rows = ownRows(batch);
    if (rows > 0) model_.step.makeGradients();
    team_.weigh(rows, batchRows);
  }

  // Looks at the gradients of the whole batch, and leaves those of this rank's part.
  void observe() const {
    std::vector<at::Tensor> own;
    for (const Parameters* parameters : {&store().model, &store().adversary}) {
      if (!team_.isAlone() && parameters->size() > 0) own.push_back(parameters->gradients.clone());
    }
    team_.sumGradients();
    observer_.begin();
    auto next = own.begin();
    for (Parameters* parameters : {&store().model, &store().adversary}) {
      if (next != own.end() && parameters->size() > 0) parameters->gradients.copy_(*next++);
    }
  }

  void accumulate(bool isFirst, bool isLast) const {
    accumulateGradients(model_.context, store().model, isFirst, isLast);
    if (hasAdversary()) accumulateGradients(model_.context, store().adversary, isFirst, isLast);
  }

  bool applyGradients(UpdatePoint point) const {
    point.squares = sumOfSquares(model_.context, store().model);
    UpdatePoint opponent{model_.adversaryLearningRate, point.step, point.batches, 0};
    if (hasAdversary()) opponent.squares = sumOfSquares(model_.context, store().adversary);
    if (!std::isfinite(point.squares) || !std::isfinite(opponent.squares)) return false;
    optimizerStep(model_.context, store().model, settings_, point);
    if (hasAdversary()) optimizerStep(model_.context, store().adversary, {}, opponent);
    return true;
  }

  const Trained& model_;
  const OptimizerSettings& settings_;
  StepObserver& observer_;
  Team& team_;
};

}  // namespace

TrainResult Trainer::run(const TrainChunk& chunk, int64_t& step) {
  TrainOutcome outcome = std::move(runTogether({{*this, chunk, step}}).front());
  if (outcome.error) throw *outcome.error;
  return std::move(outcome.result);
}

std::vector<TrainOutcome> Trainer::runTogether(const std::vector<Turn>& turns) {
  std::vector<TrainOutcome> outcomes(turns.size());
  std::vector<size_t> byBlocks, byGraphs;  // those whose chunks go at a time
  for (size_t i = 0; i < turns.size(); ++i) {
    auto& [trainer, chunk, step] = turns[i];
    try {
      trainer.prepare(chunk);
      if (trainer.isTakenByBlock(chunk)) {
        byBlocks.push_back(i);
      } else if (chunk.ranks == nullptr && trainer.isCapturable(chunk) && trainer.model_.step.mayOverlap()) {
        byGraphs.push_back(i);
      } else {
        outcomes[i].result = trainer.runAlone(chunk, step);
      }
    } catch (...) {
      outcomes[i].error = translatedError();
    }
  }
  if (!byBlocks.empty()) runBlocksOf(turns, byBlocks, outcomes);
  if (!byGraphs.empty()) runGraphsOf(turns, byGraphs, outcomes);
  for (const std::vector<size_t>& joined : {byBlocks, byGraphs}) {
    for (const size_t i : joined) outcomes[i].result.isSideBySide = true;
  }
  return outcomes;
}

void Trainer::runGraphsOf(const std::vector<Turn>& turns, const std::vector<size_t>& joined,
                          std::vector<TrainOutcome>& outcomes) {
  std::vector<GraphTask> tasks;
  std::vector<size_t> made;
  for (const size_t i : joined) {
    auto& [trainer, chunk, step] = turns[i];
    try {
      tasks.push_back(trainer.graphTask(chunk, step));
      made.push_back(i);
    } catch (...) {
      outcomes[i].error = translatedError();
    }
  }
  if (tasks.empty()) return;
  CudaPart& part = turns[made.front()].trainer.model_.context.kernels->part();
  std::vector<TrainOutcome> came = runGraphs(part, tasks);
  for (size_t i = 0; i < made.size(); ++i) outcomes[made[i]] = std::move(came[i]);
}

void Trainer::runBlocksOf(const std::vector<Turn>& turns, const std::vector<size_t>& joined,
                          std::vector<TrainOutcome>& outcomes) {
  std::vector<BlockTask> tasks;
  for (const size_t i : joined) {
    auto& [trainer, chunk, step] = turns[i];
    const Trained& model = trainer.model_;
    if (chunk.optimizer.averageDecay > 0) model.store.model.reserveAverage(model.context);
    tasks.push_back({model.context, model.step, model.store.model, model.seed, chunk,
                     static_cast<const ResidentDataset&>(*chunk.data), trainer.order_.indices, step});
  }
  // A permutation takes as long as many a step.
  const auto prepareAll = [&] {
    at::parallel_for(0, static_cast<int64_t>(joined.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Turn& turn = turns[joined[static_cast<size_t>(i)]];
        turn.trainer.prepareNext(turn.chunk);
      }
    });
  };
  try {
    std::vector<TrainResult> results = runBlocks(tasks, prepareAll);
    for (size_t i = 0; i < results.size(); ++i) outcomes[joined[i]].result = std::move(results[i]);
  } catch (...) {
    const Error error = translatedError();
    for (const size_t i : joined) outcomes[i].error = error;
  }
}

// The order of the chunk's epoch, and room for its batches.
void Trainer::prepare(const TrainChunk& chunk) {
  orderOf(chunk);
  const int64_t rows = std::min(chunk.batchSize, chunk.data->rows());
  const auto* ranks = static_cast<const TensorRanks*>(chunk.ranks.get());
  if (!taken(chunk).step.reserve(ranks == nullptr ? rows : ranks->mostOf(rows))) executor_.reset();
}

// The model with the step that takes the chunk's batches, or this rank's parts of them.
Trained Trainer::taken(const TrainChunk& chunk) const {
  const bool isInParts = chunk.ranks != nullptr && chunk.ranks->size() > 1;
  Step& step = isInParts && model_.couplesRows ? model_.partStep : model_.step;
  return {model_.context,  model_.store, step,         model_.couplesRows,
          model_.partStep, model_.seed,  model_.terms, model_.adversaryLearningRate};
}

bool Trainer::isTakenByBlock(const TrainChunk& chunk) const {
  if (chunk.ranks != nullptr || !isCapturable(chunk) || model_.step.block() == nullptr) return false;
  const int64_t classes = model_.step.block()->classes();
  if (classes > 0) static_cast<const ResidentDataset&>(*chunk.data).checkLabels(classes);
  return true;
}

// The chunk by captured graphs; makes those that fit it.
GraphTask Trainer::graphTask(const TrainChunk& chunk, int64_t& step) {
  const auto& data = static_cast<const ResidentDataset&>(*chunk.data);
  const Team team(chunk, model_.store);
  if (!executor_ || !executor_->fits(data, chunk.batchSize, chunk.optimizer, team)) {
    executor_.reset();
    executor_ = std::make_unique<GraphExecutor>(model_.context, model_.step, model_.store, data, model_.seed,
                                                chunk.batchSize, chunk.optimizer, model_.terms, team);
  }
  return {*executor_, chunk, data, order_.indices, step, team, [this, &chunk] { prepareNext(chunk); }};
}

TrainResult Trainer::runAlone(const TrainChunk& chunk, int64_t& step) {
  if (!isCapturable(chunk)) return loop(chunk, order_.indices, step);
  TrainOutcome outcome =
      std::move(runGraphs(model_.context.kernels->part(), {graphTask(chunk, step)}).front());
  if (outcome.error) throw *outcome.error;
  return std::move(outcome.result);
}

bool Trainer::Order::serves(const TrainChunk& chunk, int64_t itsEpoch) const {
  return indices.defined() && indices.size(0) == chunk.data->rows() && seed == chunk.orderSeed &&
         epoch == itsEpoch && shuffle == chunk.shuffle;
}

Trainer::Order Trainer::makeOrder(const TrainChunk& chunk, int64_t epoch) {
  const int64_t rows = chunk.data->rows();
  at::Tensor indices = at::arange(rows, c10::TensorOptions().dtype(c10::kLong));
  if (chunk.shuffle) {
    const auto drawn = permutation({chunk.orderSeed, Stream::kOrder, static_cast<uint64_t>(epoch)}, rows);
    std::copy(drawn.begin(), drawn.end(), indices.data_ptr<int64_t>());
  }
  return {chunk.orderSeed, epoch, chunk.shuffle, std::move(indices)};
}

const at::Tensor& Trainer::orderOf(const TrainChunk& chunk) {
  if (!order_.serves(chunk, chunk.epoch)) {
    order_ = next_.serves(chunk, chunk.epoch) ? std::exchange(next_, {}) : makeOrder(chunk, chunk.epoch);
    order_.indices = order_.indices.to(model_.context.device);
  }
  return order_.indices;
}

void Trainer::prepareNext(const TrainChunk& chunk) {
  const int64_t rows = chunk.data->rows();
  const bool endsEpoch = (chunk.firstStep + chunk.steps) * chunk.batchSize >= rows;
  if (endsEpoch && !next_.serves(chunk, chunk.epoch + 1)) next_ = makeOrder(chunk, chunk.epoch + 1);
}

// All ranks come to the same answer: what the user of one asks for is for TORCHVAE_RANKS_STEPS to say.
bool Trainer::isCapturable(const TrainChunk& chunk) const {
  return GraphExecutor::serves(model_.context, chunk.optimizer) && model_.store.adversary.size() == 0 &&
         (chunk.ranks == nullptr ? !fused::asksForLoop() : isExchangeCapturable(chunk));
}

// Whether all that the ranks exchange in a step is the gradient's sum, and that by a way that graphs may
// hold.
bool Trainer::isExchangeCapturable(const TrainChunk& chunk) const {
  return Team(chunk, model_.store).capturedWay() != 0 && !model_.couplesRows && model_.terms == 0;
}

TrainResult Trainer::loop(const TrainChunk& chunk, const at::Tensor& order, int64_t& step) {
  const auto start = std::chrono::steady_clock::now();
  Team team(chunk, model_.store);
  const Batches all(chunk, order, model_, team);
  StepObserver observer(model_.store.model);
  const Trained model = taken(chunk);
  Update update(model, chunk.optimizer, observer, team);
  at::Tensor& buffers = model_.store.buffers.values;  // running statistics, codebooks
  TrainResult result;
  result.sums = chunk.sums;
  while (result.steps < chunk.steps) {
    if (team.isAlone() && chunk.abort != nullptr && chunk.abort->load(std::memory_order_relaxed)) {
      result.reason = StopReason::kAborted;
      break;
    }
    // The batches that an update averages are taken whole or not at all, so that a pause never finds half a
    // sum.
    const int64_t batches = batchesOfUpdate(chunk, result.steps, all.inEpoch());
    const at::Tensor before = buffers.numel() > 0 ? buffers.clone() : at::Tensor();
    LossSums sums = result.sums;
    bool isFinite = true;
    team.begin();
    for (int64_t i = 0; i < batches && isFinite; ++i) {
      const int64_t index = result.steps + i;
      const StepInput batch = all.at(index, step, i);
      const LossSums beforeBatch = sums;
      isFinite =
          team.goesOn(update.differentiate(batch, sums)) &&
          update.take(batch, all.rowsOf(index), i, batches, step, chunk.observe && index + 1 == chunk.steps);
      if (isFinite || !result.faults.empty()) continue;
      if (team.isAlone()) {
        model.step.makeGradients();
        result.faults = faultsOf(beforeBatch, sums, model_.store.model);
      } else {
        result.faults = team.unite(update.faults(all, result.steps, batches, step));
      }
    }
    if (isFinite) {
      result.sums = std::move(sums);
    } else {
      if (before.defined()) buffers.copy_(before);
      if (!chunk.optimizer.skipNonFinite) {
        result.reason = StopReason::kNonFinite;
        break;
      }
      ++result.skipped;
    }
    result.steps += batches;
    ++step;
  }
  result.norms = observer.take();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  team.settle(chunk.sums, model_.terms, result);
  return result;
}

}  // namespace torchvae
