#include "train/graph.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>

namespace torchvae {
namespace {

const void* placeOf(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr() : nullptr;
}

}  // namespace

bool GraphExecutor::serves(const Context& context, const OptimizerSettings& settings) {
  return context.kernels != nullptr && settings.accumulate <= 1;
}

GraphExecutor::GraphExecutor(const Context& context, Step& step, Store& store, const ResidentDataset& data,
                             uint64_t seed, int64_t batchSize, const OptimizerSettings& settings,
                             int64_t terms, const Team& team)
    : context_(context),
      step_(step),
      parameters_(store.model),
      data_(&data),
      values_(placeOf(data.values())),
      labels_(placeOf(data.labels())),
      seed_(seed),
      rows_(data.rows()),
      columns_(data.columns()),
      type_(data.values().scalar_type()),
      isDrawn_(data.isDrawn()),
      batchSize_(batchSize),
      settings_(settings),
      way_(team.capturedWay()),
      serial_(data.serial()),
      gradient_{{0, store.model.size(), {}}} {
  const auto options = c10::TensorOptions().device(context.device);
  order_ = at::empty({data.rows()}, options.dtype(c10::kLong));
  constexpr auto kState = static_cast<int64_t>(sizeof(StepState));
  constexpr auto kRow = static_cast<int64_t>(sizeof(ScheduleRow));
  const int64_t ofTerms = terms * static_cast<int64_t>(sizeof(double));
  shared_ = at::empty({kState + ofTerms + kScheduleRows * kRow}, options.dtype(c10::kByte));
  const auto doubles = [&](int64_t first, int64_t bytes) {
    return shared_.narrow(0, first, bytes).view(c10::kDouble);
  };
  clock_ = {shared_.narrow(0, 0, kState),
            doubles(kState + ofTerms, kScheduleRows * kRow).view({kScheduleRows, 4}),
            doubles(kState, ofTerms), batchSize, settings};
  whole_.batchRows = std::min(batchSize, data.rows());
  last_.batchRows = data.rows() % batchSize;
  for (Shape* shape : {&whole_, &last_}) shape->own = team.shareOf(shape->batchRows);
  // What a graph writes has its place before.
  if (settings.averageDecay > 0) parameters_.reserveAverage(context);
  if (store.buffers.size() > 0) {
    buffers_ = store.buffers.values;
    buffersBefore_ = at::empty_like(buffers_);
  }
  if (!team.isAlone())
    squares_ = at::empty({Kernels::gradientBlocks(gradient_)}, options.dtype(c10::kDouble));
}

// All ranks must come to the same answer, so that they capture the same: where data lie differs from rank to
// rank, and whether they are made anew does not.
bool GraphExecutor::fits(const ResidentDataset& data, int64_t batchSize, const OptimizerSettings& settings,
                         const Team& team) const {
  const bool isThere = placeOf(data.values()) == values_ && placeOf(data.labels()) == labels_;
  return (team.isAlone() ? isThere : data.serial() == serial_) && team.capturedWay() == way_ &&
         data.rows() == rows_ && data.columns() == columns_ && data.values().scalar_type() == type_ &&
         data.isDrawn() == isDrawn_ && batchSize == batchSize_ && settings == settings_;
}

void GraphExecutor::runStep(const Shape& shape, Observation* observation, const Neighbors& neighbors) {
  const auto [first, rows] = shape.own;
  const bool isPart = !team_->isAlone();
  keepBuffers();
  if (rows > 0) {
    step_.differentiate(
        {*data_, order_, first, rows, {}, seed_, 0, first, &clock_, neighbors.before, neighbors.after});
    step_.judge(clock_, isPart);
  }
  if (isPart) {
    judgePart(shape);
  } else if (observation != nullptr) {
    step_.makeGradients();
  }
  if (observation != nullptr) {
    observation->skippedBefore = clock_.counter(offsetof(StepState, skipped)).clone();
    observation->observer.begin();
  }
  isPart ? updateBySum(shape) : step_.update(clock_);
  followUpdate();
  if (observation != nullptr) observation->observer.end();
}

// The gradients of all ranks, and whether they are finite: the same in every rank. A rank whose losses are
// not puts NaN into the sum.
void GraphExecutor::judgePart(const Shape& shape) {
  const at::Tensor& gradients = parameters_.gradients;
  Kernels& kernels = *context_.kernels;
  if (shape.own.rows == 0) {
    gradients.zero_();
    kernels.finishGradients(gradient_, 0, gradients, squares_, {}, settings_, clock_.state(), clock_.rows());
  } else {
    gradients.mul_(static_cast<double>(shape.own.rows) / static_cast<double>(shape.batchRows));
    gradients.narrow(0, 0, 1).add_(clock_.batchLosses().sum().mul_(0).to(context_.dtype));
  }
  team_->sumInStream(gradients);
  kernels.finishGradients(gradient_, 0, gradients, squares_, {}, settings_, nullptr, nullptr);
}

void GraphExecutor::updateBySum(const Shape& shape) {
  const at::Tensor rounded = context_.bf16 ? parameters_.roundedWeights : at::Tensor();
  context_.kernels->optimize({parameters_.values, parameters_.gradients, parameters_.firstMoments,
                              parameters_.secondMoments, rounded, squares_},
                             squares_.size(0), shape.own.rows, settings_, clock_.state(), clock_.rows());
}

// Running statistics and codebooks have followed the batch before anybody knew whether it is refused; the
// average follows an update that was taken.
void GraphExecutor::followUpdate() {
  Kernels& kernels = *context_.kernels;
  if (buffers_.defined()) kernels.putBack(buffers_, buffersBefore_, clock_.state());
  if (settings_.averageDecay == 0) return;
  kernels.averageWeights(parameters_.values, parameters_.average, settings_.averageDecay, clock_.state());
}

void GraphExecutor::keepBuffers() {
  if (buffers_.defined()) buffersBefore_.copy_(buffers_);
}

void GraphExecutor::putBuffersBack() {
  if (buffers_.defined()) buffers_.copy_(buffersBefore_);
}

// What several ranks have under way ends before it: a capture may ask the driver for memory, which waits for
// the device, perhaps forever for a rank that is lost.
std::unique_ptr<CapturedWork> GraphExecutor::capture(std::function<void()> body) {
  team_->await();
  return context_.kernels->part().capture(std::move(body));
}

void GraphExecutor::replay(CapturedWork& work) {
  work.replay();
  team_->expectCaptured();
}

// Sends off at most `steps` steps of this shape; returns how many.
int64_t GraphExecutor::advance(Shape& shape, int64_t steps) {
  if (shape.warm < kWarmUpSteps) {
    runStep(shape);
    ++shape.warm;
    return 1;
  }
  const bool many = steps >= kStepsPerGraph;
  std::unique_ptr<CapturedWork>& work = many ? shape.many : shape.one;
  const int64_t count = many ? kStepsPerGraph : 1;
  if (!work) {
    work = capture([this, &shape, count] {
      for (int64_t i = 0; i < count; ++i) runStep(shape, nullptr, {i > 0, i + 1 < count});
    });
  }
  replay(*work);
  return count;
}

// Sends off a step of this shape whose norms are taken.
GraphExecutor::Observation& GraphExecutor::observe(Shape& shape) {
  if (!shape.observed) shape.observed = std::make_unique<Observation>(Observation{StepObserver(parameters_)});
  Observation& observation = *shape.observed;
  if (observation.warm < kWarmUpSteps) {
    ++observation.warm;
    runStep(shape, &observation);
    return observation;
  }
  if (!observation.work) {
    observation.work = capture([this, &shape, &observation] { runStep(shape, &observation); });
  }
  replay(*observation.work);
  return observation;
}

}  // namespace torchvae
