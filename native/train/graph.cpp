#include "train/graph.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>

namespace torchvae {
namespace {

// Steps between two readings of the state, at most: with small models, what lib/training asks for at a time.
constexpr int64_t kScheduleRows = 1024;

// Host memory as a tensor of bytes.
at::Tensor bytesOf(const void* data, size_t size) {
  return at::from_blob(const_cast<void*>(data), {static_cast<int64_t>(size)},
                       c10::TensorOptions().dtype(c10::kByte));
}

const void* placeOf(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr() : nullptr;
}

}  // namespace

bool GraphExecutor::serves(const Context& context, const OptimizerSettings& settings) {
  return context.kernels != nullptr && settings.accumulate <= 1 && settings.averageDecay == 0;
}

GraphExecutor::GraphExecutor(const Context& context, Step& step, const Parameters& parameters,
                             const ResidentDataset& data, uint64_t seed, int64_t batchSize,
                             const OptimizerSettings& settings, int64_t terms)
    : context_(context),
      step_(step),
      parameters_(parameters),
      data_(&data),
      values_(placeOf(data.values())),
      labels_(placeOf(data.labels())),
      seed_(seed),
      rows_(data.rows()),
      columns_(data.columns()),
      type_(data.values().scalar_type()),
      isDrawn_(data.isDrawn()),
      batchSize_(batchSize),
      settings_(settings) {
  const auto options = c10::TensorOptions().device(context.device);
  order_ = at::empty({data.rows()}, options.dtype(c10::kLong));
  clock_ = {at::empty({static_cast<int64_t>(sizeof(StepState))}, options.dtype(c10::kByte)),
            at::empty({kScheduleRows, 4}, options.dtype(c10::kDouble)),
            at::empty({terms}, options.dtype(c10::kDouble)), batchSize, settings};
  whole_.rows = std::min(batchSize, data.rows());
  last_.rows = data.rows() % batchSize;
}

bool GraphExecutor::fits(const ResidentDataset& data, int64_t batchSize,
                         const OptimizerSettings& settings) const {
  return placeOf(data.values()) == values_ && placeOf(data.labels()) == labels_ && data.rows() == rows_ &&
         data.columns() == columns_ && data.values().scalar_type() == type_ && data.isDrawn() == isDrawn_ &&
         batchSize == batchSize_ && settings == settings_;
}

void GraphExecutor::runStep(int64_t rows, Observation* observation, const Neighbors& neighbors) {
  step_.differentiate({*data_, order_, 0, rows, {}, seed_, 0, 0, &clock_, neighbors.before, neighbors.after});
  step_.judge(clock_);
  if (observation == nullptr) return step_.update(clock_);
  step_.makeGradients();
  observation->skippedBefore = clock_.counter(offsetof(StepState, skipped)).clone();
  observation->observer.begin();
  step_.update(clock_);
  observation->observer.end();
}

// Sends off at most `steps` steps of this shape; returns how many.
int64_t GraphExecutor::advance(Shape& shape, int64_t steps) {
  const int64_t rows = shape.rows;
  if (shape.warm < kWarmUpSteps) {
    runStep(rows);
    ++shape.warm;
    return 1;
  }
  const bool many = steps >= kStepsPerGraph;
  std::unique_ptr<CapturedWork>& work = many ? shape.many : shape.one;
  const int64_t count = many ? kStepsPerGraph : 1;
  if (!work) {
    work = context_.kernels->part().capture([this, rows, count] {
      for (int64_t i = 0; i < count; ++i) runStep(rows, nullptr, {i > 0, i + 1 < count});
    });
  }
  work->replay();
  return count;
}

// Sends off a step of this shape whose norms are taken.
void GraphExecutor::observe(Shape& shape) {
  if (!shape.observed) shape.observed = std::make_unique<Observation>(Observation{StepObserver(parameters_)});
  seen_ = shape.observed.get();
  if (seen_->warm < kWarmUpSteps) {
    ++seen_->warm;
    return runStep(shape.rows, seen_);
  }
  if (!seen_->work) {
    seen_->work = context_.kernels->part().capture(
        [this, rows = shape.rows, observation = seen_] { runStep(rows, observation); });
  }
  seen_->work->replay();
}

// Puts what steps [done, done + steps) of the chunk start from onto the device.
void GraphExecutor::start(const TrainChunk& chunk, const at::Tensor& order, int64_t done, int64_t steps) {
  if (done == 0) order_.copy_(order);
  const StepSchedule* rows = chunk.schedule.data() + done;
  const size_t size = static_cast<size_t>(steps) * sizeof(ScheduleRow);
  clock_.schedule.view({-1})
      .view(c10::kByte)
      .narrow(0, 0, static_cast<int64_t>(size))
      .copy_(bytesOf(rows, size));
}

StepState GraphExecutor::readState() const {
  StepState state{};
  const at::Tensor read = clock_.bytes.cpu();  // waits for the device
  std::memcpy(&state, read.const_data_ptr(), sizeof state);
  return state;
}

// Moves `now` and `result.steps` along, as far as the device has come.
void GraphExecutor::runSteps(const TrainChunk& chunk, const at::Tensor& order,
                             const std::function<void()>& meanwhile, StepState& now, TrainResult& result) {
  const int64_t wholeBatches = rows_ / batchSize_;
  while (result.steps < chunk.steps && result.reason == StopReason::kDone) {
    const int64_t steps = std::min(chunk.steps - result.steps, kScheduleRows);
    now.index = 0;
    start(chunk, order, result.steps, steps);
    clock_.bytes.copy_(bytesOf(&now, sizeof now));
    for (int64_t sent = 0; sent < steps;) {
      if (chunk.abort != nullptr && chunk.abort->load(std::memory_order_relaxed)) {
        result.reason = StopReason::kAborted;
        break;
      }
      const int64_t whole = wholeBatches - (chunk.firstStep + result.steps + sent);
      const int64_t ahead = chunk.steps - result.steps - sent;
      if (chunk.observe && ahead == 1) {
        observe(whole > 0 ? whole_ : last_);
        ++sent;
      } else {
        const int64_t alike = std::min(steps - sent, ahead - (chunk.observe ? 1 : 0));
        sent += whole > 0 ? advance(whole_, std::min(alike, whole)) : advance(last_, 1);
      }
    }
    if (result.steps + steps == chunk.steps) meanwhile();
    now = readState();
    result.steps += now.index;
    if (now.stopped != 0) result.reason = StopReason::kNonFinite;
  }
}

// Of a batch that the device has refused: that batch again, with the weights as they are.
std::vector<std::string> GraphExecutor::faults(const TrainChunk& chunk, const at::Tensor& order,
                                               int64_t batch, int64_t step, const StepSchedule& schedule) {
  const int64_t first = batch * batchSize_;
  return faultsAgain(
      step_, {*data_, order, first, std::min(batchSize_, rows_ - first), schedule, seed_, step}, parameters_);
}

TrainResult GraphExecutor::run(const TrainChunk& chunk, const ResidentDataset& data, const at::Tensor& order,
                               int64_t& step, const std::function<void()>& meanwhile) {
  data_ = &data;
  CudaPart& part = context_.kernels->part();
  const std::unique_ptr<TimeMark> begin = part.mark();
  seen_ = nullptr;
  TrainResult result;
  StepState now{};
  now.step = step;
  now.batch = chunk.firstStep;
  now.examples = chunk.sums.examples;
  now.loss = chunk.sums.loss;
  now.reconstruction = chunk.sums.reconstruction;
  now.kl = chunk.sums.kl;
  clock_.terms.zero_();
  if (!chunk.sums.terms.empty()) {
    clock_.terms.copy_(at::from_blob(const_cast<double*>(chunk.sums.terms.data()), clock_.terms.sizes(),
                                     c10::TensorOptions().dtype(c10::kDouble)));
  }
  clock_.bytes.copy_(bytesOf(&now, sizeof now));
  try {
    runSteps(chunk, order, meanwhile, now, result);
  } catch (...) {
    // The updates that were sent off before are in the weights, so the count of steps must have them too.
    step = readState().step;
    throw;
  }
  step = now.step;
  result.skipped = now.skipped;
  result.sums.loss = now.loss;
  result.sums.reconstruction = now.reconstruction;
  result.sums.kl = now.kl;
  result.sums.examples = now.examples;
  const at::Tensor terms = clock_.terms.cpu();
  const double* read = terms.const_data_ptr<double>();
  result.sums.terms.assign(read, read + terms.numel());
  if (now.stopped != 0) {
    result.faults =
        faults(chunk, order, now.batch, now.step, chunk.schedule[static_cast<size_t>(result.steps)]);
  } else if (seen_ != nullptr && seen_->skippedBefore.item<int64_t>() == now.skipped) {
    result.norms = seen_->observer.take();  // nothing is known of an update that was skipped
  }
  result.seconds = part.mark()->since(*begin);
  return result;
}

}  // namespace torchvae
