#include "train/graph.h"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace torchvae {
namespace {

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
GraphExecutor::Observation& GraphExecutor::observe(Shape& shape) {
  if (!shape.observed) shape.observed = std::make_unique<Observation>(Observation{StepObserver(parameters_)});
  Observation& observation = *shape.observed;
  if (observation.warm < kWarmUpSteps) {
    ++observation.warm;
    runStep(shape.rows, &observation);
    return observation;
  }
  if (!observation.work) {
    observation.work = context_.kernels->part().capture(
        [this, rows = shape.rows, &observation] { runStep(rows, &observation); });
  }
  observation.work->replay();
  return observation;
}

}  // namespace torchvae
