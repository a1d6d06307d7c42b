// A model's derivatives, and its training by the loop or by the device's executor.
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "host.h"
#include "model.h"
#include "ops/optimizer.h"
#include "random/philox.h"
#include "train/loop.h"
#include "train/observer.h"

namespace torchvae {
namespace {

void addTerms(const Terms& terms, int64_t rows, LossSums& sums) {
  sums.reconstruction += terms.reconstruction.sum(c10::kDouble).item<double>();
  sums.kl += terms.kl.sum(c10::kDouble).item<double>();
  sums.terms.resize(terms.extra.size());
  for (size_t i = 0; i < terms.extra.size(); ++i) {
    sums.terms[i] += terms.extra[i].item<double>() * static_cast<double>(rows);
  }
  sums.examples += rows;
}

}  // namespace

const at::Tensor& VaeModel::orderOf(const TrainChunk& chunk) {
  const int64_t rows = chunk.data->rows();
  const bool known = order_.indices.defined() && order_.indices.size(0) == rows &&
                     order_.seed == chunk.orderSeed && order_.epoch == chunk.epoch &&
                     order_.shuffle == chunk.shuffle;
  if (!known) {
    at::Tensor indices = at::arange(rows, c10::TensorOptions().dtype(c10::kLong));
    if (chunk.shuffle) {
      const auto drawn =
          permutation({chunk.orderSeed, Stream::kOrder, static_cast<uint64_t>(chunk.epoch)}, rows);
      std::copy(drawn.begin(), drawn.end(), indices.data_ptr<int64_t>());
    }
    order_ = {chunk.orderSeed, chunk.epoch, chunk.shuffle, indices.to(context_.device)};
  }
  return order_.indices;
}

Terms VaeModel::differentiate(const Tensor& x, int64_t examples, Pass& pass) {
  const c10::AutoGradMode grad(true);
  Terms terms = objective_->evaluate(*composition_, x, examples, pass);
  store_.model.gradients.zero_();
  store_.adversary.gradients.zero_();
  torch::autograd::backward({terms.loss}, {});
  if (terms.adversaryLoss.defined()) {
    // The model's loss has left gradients in its opponent, which goes by its own.
    store_.adversary.gradients.zero_();
    torch::autograd::backward({terms.adversaryLoss}, {});
  }
  return terms;
}

TrainResult VaeModel::replay(const TrainChunk& chunk,
                             const std::function<std::unique_ptr<DeviceStep>()>& make) {
  const auto& data = static_cast<const ResidentDataset&>(*chunk.data);
  if (!executor_ || !executor_->fits(data, chunk.batchSize, chunk.optimizer)) {
    executor_.reset();
    executor_ = std::make_unique<GraphExecutor>(context_, make(), store_.model, data, chunk.batchSize,
                                                chunk.optimizer, static_cast<int64_t>(termNames().size()));
  }
  return executor_->run(chunk, data, orderOf(chunk), step_);
}

// A step by libtorch's derivatives that takes nothing from the host: random numbers by the device's kernel,
// the schedule's row and the batch by the device's counters.
class VaeModel::CapturedStep : public DeviceStep {
 public:
  CapturedStep(VaeModel& model, const OptimizerSettings& settings)
      : model_(model), settings_(settings), all_{{0, model.store_.model.size(), {}}} {
    const auto options = c10::TensorOptions().dtype(c10::kDouble).device(model.context_.device);
    partials_ = at::zeros({Kernels::gradientBlocks(all_) + 1}, options);
  }

  void differentiate(const StepInput& input) override {
    const Context& context = model_.context_;
    const DeviceClock& clock = *input.clock;
    Draws draws(context, {model_.seed_, Stream::kNoise, 0}, clock.state());
    const Tensor row =
        clock.schedule.index_select(0, clock.counter(offsetof(StepState, index))).to(context.dtype).view({4});
    Pass own{draws, true, {}, row.select(0, 1), row.select(0, 2), row.select(0, 3)};
    const Tensor x = at::empty({input.rows, input.data.columns()}, context.options());
    BatchSource source{input.data.values(), input.order, 0, clock.batchSize, model_.seed_, 0, clock.state()};
    source.isDrawn = input.data.isDrawn();
    context.kernels->loadBatch(source, input.rows, x, at::empty({input.rows, 0}, context.options()));
    const int64_t classes = model_.spec_.condition.classes;
    if (classes > 0) {
      const Tensor places = at::arange(input.rows, input.order.options())
                                .add_(clock.counter(offsetof(StepState, batch)).mul(clock.batchSize));
      own.labels = input.data.labelsOf(context, input.order.index_select(0, places), classes);
    }
    const Terms terms = model_.differentiate(x, input.data.rows(), own);
    if (!terms.extra.empty()) {
      extra_ = at::stack(terms.extra).detach().to(c10::kDouble).mul_(static_cast<double>(input.rows));
    }
    // The judgement sums these: what is not finite here makes the sum so.
    partials_.narrow(0, partials_.size(0) - 1, 1).copy_(terms.loss.detach() - terms.loss.detach());
    context.kernels->finishGradients(all_, input.rows, model_.store_.model.gradients, partials_,
                                     terms.reconstruction.detach().contiguous(),
                                     terms.kl.detach().contiguous(), settings_, clock.state());
  }

  void update(const StepInput& input) override {
    const DeviceClock& clock = *input.clock;
    Parameters& parameters = model_.store_.model;
    const Tensor examples = clock.counter(offsetof(StepState, examples));
    const Tensor before = examples.clone();
    model_.context_.kernels->optimize(parameters.values, parameters.gradients, parameters.firstMoments,
                                      parameters.secondMoments, {}, partials_, partials_.size(0), input.rows,
                                      settings_, clock.state(), clock.rows());
    if (extra_.defined()) clock.terms.add_(at::where(examples.ne(before), extra_, 0.0));
  }

  std::vector<std::string> faults(const StepInput& input, int64_t step) override {
    LossSums sums;
    Draws draws(model_.context_, {model_.seed_, Stream::kNoise, static_cast<uint64_t>(step)});
    Pass own = model_.pass(draws, input.schedule, true);
    addTerms(model_.differentiate(input, step, own), input.rows, sums);
    return faultsOf({}, sums, model_.store_.model);
  }

 private:
  VaeModel& model_;
  OptimizerSettings settings_;
  std::vector<GradientPart> all_;
  Tensor partials_;
  Tensor extra_;  // of the batch whose update is due: sums of the objective's further terms
};

Terms VaeModel::differentiate(const StepInput& input, int64_t noise, Pass& pass) {
  const Tensor x = input.data.rowsOf(context_, input.order, input.first, input.rows,
                                     {seed_, Stream::kBinary, static_cast<uint64_t>(noise)});
  if (spec_.condition.classes > 0) {
    const Tensor examples = input.order.narrow(0, input.first, input.rows);
    pass.labels = input.data.labelsOf(context_, examples, spec_.condition.classes);
  }
  return differentiate(x, input.data.rows(), pass);
}

TrainResult VaeModel::train(const TrainChunk& chunk) {
  return computed([&] {
    const auto& data = static_cast<const ResidentDataset&>(*chunk.data);
    const at::Tensor& order = orderOf(chunk);
    const bool hasAdversary = store_.adversary.size() > 0;
    // A step that is refused on the device must leave all as it was: running statistics do not wait.
    if (GraphExecutor::serves(context_, chunk.optimizer) && !hasAdversary && store_.buffers.size() == 0) {
      return replay(chunk, [&] { return std::make_unique<CapturedStep>(*this, chunk.optimizer); });
    }
    StepObserver observer(store_.model);
    std::vector<std::string> faults;
    Tensor buffers;  // as they were before the update under way
    TrainResult result = runLoop(chunk, data.rows(), step_, [&](const Batch& batch, LossSums& sums) {
      if (store_.buffers.size() > 0 && batch.group.batches == 0) buffers = store_.buffers.values.clone();
      Draws draws(context_, {seed_, Stream::kNoise, static_cast<uint64_t>(batch.noise)});
      Pass own = pass(draws, batch.schedule, true);
      const LossSums before = sums;
      const StepInput input{data, order, batch.first, batch.rows, batch.schedule, {}};
      const Terms terms = differentiate(input, batch.noise, own);
      addTerms(terms, batch.rows, sums);
      const auto refuse = [&] {
        if (faults.empty()) faults = faultsOf(before, sums, store_.model);
        // Running statistics and codebooks have followed the batch already.
        if (buffers.defined()) store_.buffers.values.copy_(buffers);
        return false;
      };
      if (!std::isfinite(terms.loss.item<double>())) return refuse();
      if (batch.isObserved) observer.begin();
      accumulateGradients(context_, store_.model, batch.group.batches == 0, batch.group.last);
      if (hasAdversary) {
        accumulateGradients(context_, store_.adversary, batch.group.batches == 0, batch.group.last);
      }
      if (!batch.group.last) return true;
      UpdatePoint point{batch.schedule.learningRate, step_ + 1, batch.group.batches + 1, 0};
      point.squares = sumOfSquares(context_, store_.model);
      UpdatePoint opponent{objective_->adversaryLearningRate(), step_ + 1, batch.group.batches + 1, 0};
      if (hasAdversary) opponent.squares = sumOfSquares(context_, store_.adversary);
      if (!std::isfinite(point.squares) || !std::isfinite(opponent.squares)) return refuse();
      optimizerStep(context_, store_.model, chunk.optimizer, point);
      if (hasAdversary) optimizerStep(context_, store_.adversary, {}, opponent);
      if (chunk.optimizer.averageDecay > 0) {
        averageWeights(context_, store_.model, chunk.optimizer.averageDecay);
      }
      if (batch.isObserved) observer.end();
      return true;
    });
    result.norms = observer.take();
    result.faults = std::move(faults);
    return result;
  });
}

Gradients VaeModel::gradients(const HostArray& x, const NoiseSource& noise, const StepSchedule& schedule) {
  return computed([&] {
    Draws draws(context_, {noise.seed, Stream::kNoise, 0});
    Pass own = pass(draws, schedule, true);
    prepare(draws, noise, 0, x.rows);
    // Running statistics and codebooks follow a batch that the model is trained on, not one that it is asked
    // about.
    const Tensor buffers = store_.buffers.values.clone();
    const Terms terms = differentiate(load(x, 0, x.rows, own), x.rows, own);
    store_.buffers.values.copy_(buffers);
    Gradients gradients;
    gradients.loss = terms.loss.item<double>();
    for (const Parameters* parameters : {&store_.model, &store_.adversary}) {
      for (const ParameterEntry& entry : parameters->entries()) {
        const at::Tensor gradient = parameters->gradient(entry.slot);
        gradients.each.emplace_back(static_cast<size_t>(gradient.numel()));
        copyOut(gradient, gradients.each.back().data());
      }
    }
    addTerms(terms, x.rows, gradients.sums);
    return gradients;
  });
}

}  // namespace torchvae
