#include "train/graph.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>

namespace torchvae {
namespace {

// Steps between two readings of the state, at most: with small models, what lib/training asks for at a time.
constexpr int64_t kScheduleRows = 1024;

bool sameSettings(const OptimiserSettings& a, const OptimiserSettings& b) {
  return a.kind == b.kind && a.beta1 == b.beta1 && a.beta2 == b.beta2 && a.epsilon == b.epsilon &&
         a.momentum == b.momentum && a.nesterov == b.nesterov && a.weightDecay == b.weightDecay &&
         a.l1 == b.l1 && a.clipNorm == b.clipNorm && a.clipValue == b.clipValue &&
         a.skipNonFinite == b.skipNonFinite;
}

// Host memory as a tensor of bytes.
at::Tensor bytesOf(const void* data, size_t size) {
  return at::from_blob(const_cast<void*>(data), {static_cast<int64_t>(size)},
                       c10::TensorOptions().dtype(c10::kByte));
}

}  // namespace

bool GraphExecutor::serves(const Context& context, const OptimiserSettings& settings) {
  return context.kernels != nullptr && settings.accumulate <= 1 && settings.averageDecay == 0;
}

GraphExecutor::GraphExecutor(const Context& context, fused::Vae& vae, Parameters& parameters,
                             const ResidentDataset& data, int64_t batchSize,
                             const OptimiserSettings& settings, uint64_t seed)
    : context_(context),
      vae_(vae),
      parameters_(parameters),
      data_(&data),
      values_(data.values().const_data_ptr()),
      rows_(data.rows()),
      columns_(data.columns()),
      type_(data.values().scalar_type()),
      batchSize_(batchSize),
      settings_(settings),
      seed_(seed) {
  const auto bytes = c10::TensorOptions().dtype(c10::kByte).device(context.device);
  order_ = at::empty({data.rows()}, bytes.dtype(c10::kLong));
  state_ = at::empty({static_cast<int64_t>(sizeof(StepState))}, bytes);
  schedule_ = at::empty({kScheduleRows, 4}, bytes.dtype(c10::kDouble));
  whole_.rows = std::min(batchSize, data.rows());
  last_.rows = data.rows() % batchSize;
}

bool GraphExecutor::fits(const fused::Vae& vae, const ResidentDataset& data, int64_t batchSize,
                         const OptimiserSettings& settings) const {
  return &vae == &vae_ && data.values().const_data_ptr() == values_ && data.rows() == rows_ &&
         data.columns() == columns_ && data.values().scalar_type() == type_ && batchSize == batchSize_ &&
         sameSettings(settings, settings_);
}

StepState* GraphExecutor::state() const {
  return static_cast<StepState*>(state_.mutable_data_ptr());
}

const ScheduleRow* GraphExecutor::schedule() const {
  return static_cast<const ScheduleRow*>(schedule_.const_data_ptr());
}

// With a multilayer perceptron of one hidden layer on each side, 20 kernels:
//   load; 4 products forward with bias and relu, reparameterisation, loss with its gradient; 3 products and 2
//   slopes backward, the posterior's derivative; 4 products for the weights; the biases' gradients with the
//   judgement; the update with the sums and the counters.
// (A library may split a product in two.)
void GraphExecutor::runStep(int64_t rows, StepObserver* observer) {
  const StepInput input{*data_, order_, 0, rows, {}, DeviceClock{state(), schedule(), batchSize_}};
  forwardAndBackward(context_, vae_, input, seed_, 0);
  vae_.finishGradients(parameters_, rows, settings_, state());
  if (observer != nullptr) observer->begin();
  vae_.optimise(parameters_, rows, settings_, state(), schedule());
  if (observer != nullptr) observer->end();
}

std::vector<std::string> GraphExecutor::faultsOfRefused(const StepState& at, const StepSchedule& schedule,
                                                        const at::Tensor& order) {
  const int64_t first = at.batch * batchSize_;
  const StepInput input{*data_, order, first, std::min(batchSize_, rows_ - first), schedule, {}};
  forwardAndBackward(context_, vae_, input, seed_, at.step);
  vae_.weightGradients(parameters_, input.rows);
  LossSums sums;
  addLosses(context_, vae_, input.rows, sums);
  return faultsOf({}, sums, parameters_);
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
      for (int64_t i = 0; i < count; ++i) runStep(rows);
    });
  }
  work->replay();
  return count;
}

// Puts what steps [done, done + steps) of the chunk start from onto the device.
void GraphExecutor::start(const TrainChunk& chunk, const at::Tensor& order, int64_t done, int64_t steps) {
  if (done == 0) order_.copy_(order);
  const StepSchedule* rows = chunk.schedule.data() + done;
  const size_t size = static_cast<size_t>(steps) * sizeof(ScheduleRow);
  schedule_.view({-1}).view(c10::kByte).narrow(0, 0, static_cast<int64_t>(size)).copy_(bytesOf(rows, size));
}

TrainResult GraphExecutor::run(const TrainChunk& chunk, const ResidentDataset& data, const at::Tensor& order,
                               int64_t& step) {
  data_ = &data;
  CudaPart& part = context_.kernels->part();
  const std::unique_ptr<TimeMark> begin = part.mark();
  const int64_t wholeBatches = rows_ / batchSize_;
  StepObserver observer(parameters_);
  TrainResult result;
  StepState now{};
  now.step = step;
  now.batch = chunk.firstStep;
  now.examples = chunk.sums.examples;
  now.reconstruction = chunk.sums.reconstruction;
  now.kl = chunk.sums.kl;
  while (result.steps < chunk.steps && result.reason == StopReason::kDone) {
    const int64_t steps = std::min(chunk.steps - result.steps, kScheduleRows);
    now.index = 0;
    start(chunk, order, result.steps, steps);
    state_.copy_(bytesOf(&now, sizeof now));
    for (int64_t sent = 0; sent < steps;) {
      if (chunk.abort != nullptr && chunk.abort->load(std::memory_order_relaxed)) {
        result.reason = StopReason::kAborted;
        break;
      }
      const int64_t whole = wholeBatches - (chunk.firstStep + result.steps + sent);
      const int64_t ahead = chunk.steps - result.steps - sent;
      if (chunk.observe && ahead == 1) {
        runStep(whole > 0 ? whole_.rows : last_.rows, &observer);
        ++sent;
      } else {
        const int64_t alike = std::min(steps - sent, ahead - (chunk.observe ? 1 : 0));
        sent += whole > 0 ? advance(whole_, std::min(alike, whole)) : advance(last_, 1);
      }
    }
    const at::Tensor read = state_.cpu();  // waits for the device
    std::memcpy(&now, read.const_data_ptr(), sizeof now);
    result.steps += now.index;
    if (now.stopped != 0) result.reason = StopReason::kNonFinite;
  }
  step = now.step;
  result.skipped = now.skipped;
  result.sums = chunk.sums;
  result.sums.reconstruction = now.reconstruction;
  result.sums.kl = now.kl;
  result.sums.examples = now.examples;
  if (now.stopped != 0) {
    result.faults = faultsOfRefused(now, chunk.schedule[static_cast<size_t>(result.steps)], order);
  } else {
    result.norms = observer.take();
  }
  result.seconds = part.mark()->since(*begin);
  return result;
}

}  // namespace torchvae
