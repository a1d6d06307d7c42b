#include "step/reference_step.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <cstddef>
#include <numeric>

#include "ops/plain.h"
#include "pass/host_batch.h"
#include "store/optimizer.h"

namespace torchvae {

namespace {

// The sum of a tensor's values.
double totalOf(const Tensor& values) {
  if (!values.is_cpu() || values.scalar_type() != c10::kFloat || !values.is_contiguous()) {
    return values.sum(c10::kDouble).item<double>();
  }
  const float* each = values.const_data_ptr<float>();
  return std::accumulate(each, each + values.numel(), 0.0);
}

// While one lives, libtorch does not warn of gradients that lie as the weights of fused layers do, in parts.
class WithoutWarnings : public c10::WarningHandler {
 public:
  WithoutWarnings() : guard_(this) {}
  void process(const c10::Warning& /*warning*/) override {}

 private:
  c10::WarningUtils::WarningHandlerGuard guard_;
};

// For a backward pass, which adds to the gradients.
void clearGradients(Parameters& parameters) {
  if (parameters.size() > 0) parameters.deferred.begin(parameters.gradients);
}

}  // namespace

ReferenceStep::ReferenceStep(const Context& context, const ModelSpec& spec, Store& store, const Vae& vae,
                             const Objective& objective)
    : context_(context),
      spec_(spec),
      store_(store),
      vae_(vae),
      objective_(objective),
      all_{{0, store.model.size(), {}}} {
  if (context.kernels == nullptr) return;
  const auto options = c10::TensorOptions().dtype(c10::kDouble).device(context.device);
  partials_ = at::zeros({Kernels::gradientBlocks(all_)}, options);
}

// The examples as the model takes them, with their labels in the pass.
Tensor ReferenceStep::load(const StepInput& input, Pass& pass) const {
  const int64_t classes = spec_.condition.classes;
  if (input.clock == nullptr) {
    if (classes > 0) {
      pass.labels = input.data.labelsOf(context_, input.order.narrow(0, input.first, input.rows), classes);
    }
    const Draw draw{input.seed, Stream::kBinary, static_cast<uint64_t>(input.noise)};
    return input.data.rowsOf(context_, {input.order, input.first, input.rows, draw, input.place});
  }
  const DeviceClock& clock = *input.clock;
  const Tensor x = at::empty({input.rows, input.data.columns()}, context_.options());
  BatchSource source{input.data.values(), input.order, input.first,   clock.batchSize,
                     input.seed,          0,           clock.state(), {}};
  source.isDrawn = input.data.isDrawn();
  source.place = input.place;
  context_.kernels->loadBatch(source, input.rows, x, at::empty({input.rows, 0}, context_.options()));
  if (classes > 0) {
    const Tensor places = at::arange(input.rows, input.order.options())
                              .add_(clock.counter(offsetof(StepState, batch)).mul(clock.batchSize))
                              .add_(input.first);
    pass.labels = input.data.labelsOf(context_, input.order.index_select(0, places), classes);
  }
  return x;
}

void ReferenceStep::differentiate(const StepInput& input) {
  rows_ = input.rows;
  if (input.clock == nullptr) {
    Draws draws(context_, {input.seed, Stream::kNoise, static_cast<uint64_t>(input.noise)});
    draws.takeRows(input.place, input.rows);
    Pass pass = makePass(context_, draws, input.schedule, true);
    if (input.whole) pass.whole = &*input.whole;
    const Tensor x = load(input, pass);
    return backward(x, input.data.rows(), pass);
  }
  const DeviceClock& clock = *input.clock;
  Draws draws(context_, {input.seed, Stream::kNoise, 0}, clock.state());
  draws.takeRows(input.place, input.rows);
  const Tensor row =
      clock.schedule.index_select(0, clock.counter(offsetof(StepState, index))).to(context_.dtype).view({4});
  Pass pass{draws, true, {}, row.select(0, 1), row.select(0, 2), row.select(0, 3)};
  const Tensor x = load(input, pass);
  backward(x, input.data.rows(), pass);
}

void ReferenceStep::differentiate(const HostInput& input, const StepSchedule& schedule) {
  rows_ = input.rows;
  Draws draws(context_, {input.noise.seed, Stream::kNoise, 0});
  Pass pass = makePass(context_, draws, schedule, true);
  giveNoise(context_, input, vae_.posterior().codeSize(), draws);
  // Running statistics and codebooks follow a batch that the model is trained on, not one that it is asked
  // about.
  const Tensor buffers = store_.buffers.values.clone();
  const Tensor x = loadRows(context_, spec_, input, pass);
  backward(x, input.rows, pass);
  store_.buffers.values.copy_(buffers);
}

// Leaves the gradients in the store.
void ReferenceStep::backward(const Tensor& x, int64_t examples, Pass& pass) {
  const c10::AutoGradMode grad(true);
  const PlainOperations plain(objective_.differentiatesTwice());
  terms_ = objective_.evaluate(vae_, x, examples, pass);
  for (Parameters* parameters : {&store_.model, &store_.adversary}) clearGradients(*parameters);
  const WithoutWarnings quiet;
  torch::autograd::backward({terms_.loss}, {});
  if (terms_.adversaryLoss.defined()) {
    // The model's loss has left gradients in its opponent, which goes by its own.
    clearGradients(store_.adversary);
    torch::autograd::backward({terms_.adversaryLoss}, {});
  }
  // The values alone: the graph that made them is done with.
  for (Tensor* term : {&terms_.loss, &terms_.reconstruction, &terms_.kl}) *term = term->detach();
  for (Tensor& term : terms_.extra) term = term.detach();
  terms_.adversaryLoss = Tensor();
}

void ReferenceStep::evaluate(const StepInput& input) {
  rows_ = input.rows;
  Draws draws(context_, {input.seed, Stream::kNoise, static_cast<uint64_t>(input.noise)});
  Pass pass = makePass(context_, draws, input.schedule, false);
  const Tensor x = load(input, pass);
  terms_ = objective_.evaluate(vae_, x, input.data.rows(), pass);
}

bool ReferenceStep::addLosses(LossSums& sums) {
  const auto rows = static_cast<double>(rows_);
  const double loss = totalOf(terms_.loss);
  sums.loss += loss * rows;
  sums.reconstruction += totalOf(terms_.reconstruction);
  sums.kl += totalOf(terms_.kl);
  sums.terms.resize(terms_.extra.size());
  for (size_t i = 0; i < terms_.extra.size(); ++i) sums.terms[i] += totalOf(terms_.extra[i]) * rows;
  sums.examples += rows_;
  return std::isfinite(loss);
}

void ReferenceStep::makeGradients() {
  for (Parameters* parameters : {&store_.model, &store_.adversary}) {
    if (parameters->size() > 0) parameters->deferred.make(context_, parameters->gradients);
  }
}

bool ReferenceStep::updateAtOnce(const cpu::OptimizerCoefficients& coefficients) {
  DeferredGradients& deferred = store_.model.deferred;
  return context_.tiled() && deferred.areUsable(context_) &&
         torchvae::updateAtOnce(context_, store_.model, deferred.products(context_),
                                deferred.others(store_.model.size()), coefficients);
}

void ReferenceStep::judge(const DeviceClock& clock, bool /*isSummand*/) {
  if (!terms_.extra.empty()) {
    extra_ = at::stack(terms_.extra).to(c10::kDouble).mul_(static_cast<double>(rows_));
  }
  const BatchLosses losses{terms_.reconstruction.contiguous(), terms_.kl.contiguous(), terms_.loss, {}};
  context_.kernels->finishGradients(all_, rows_, store_.model.gradients, partials_, losses, clock.settings,
                                    clock.state(), clock.rows());
}

void ReferenceStep::update(const DeviceClock& clock) {
  Parameters& parameters = store_.model;
  const Tensor examples = clock.counter(offsetof(StepState, examples));
  const Tensor before = examples.clone();
  context_.kernels->optimize({parameters.values,
                              parameters.gradients,
                              parameters.firstMoments,
                              parameters.secondMoments,
                              {},
                              partials_},
                             partials_.size(0), rows_, clock.settings, clock.state(), clock.rows());
  // A refused batch, which leaves the count of examples as it was, adds nothing.
  if (extra_.defined()) clock.terms.add_(at::where(examples.ne(before), extra_, 0.0));
}

std::pair<Tensor, Tensor> ReferenceStep::encode(const HostInput& input) {
  Draws draws(context_, {});
  Pass pass = makePass(context_, draws, {}, false);
  const Tensor features = vae_.encode(loadRows(context_, spec_, input, pass), pass);
  const Gaussian q = vae_.posterior().moments(features, pass);
  return {q.mean, q.logVariance};
}

std::pair<Tensor, Tensor> ReferenceStep::losses(const HostInput& input) {
  Draws draws = drawsByRow(context_, input);
  Pass pass = makePass(context_, draws, {}, false);
  giveNoise(context_, input, vae_.posterior().codeSize(), draws);
  const Draft d = draft(vae_, loadRows(context_, spec_, input, pass), pass);
  return {d.reconstruction, d.kl};
}

}  // namespace torchvae
