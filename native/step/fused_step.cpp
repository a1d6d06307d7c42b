#include "step/fused_step.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cmath>

#include "base/host.h"
#include "cpu/pool.h"
#include "fused/coverage.h"
#include "fused/importance_cost.h"

namespace torchvae {
namespace {

using fused::BatchPass;
using fused::PassUse;

double sumOf(const Context& context, const at::Tensor& losses, int64_t rows) {
  if (!context.tiled()) return losses.narrow(0, 0, rows).sum(c10::kDouble).item<double>();
  const float* values = losses.const_data_ptr<float>();
  double sum = 0;
  for (int64_t i = 0; i < rows; ++i) sum += values[i];
  return sum;
}

// noise[i] ~ N(0, I) for i in [0, rows): what row first + i of a batch has, a function of the draw alone.
void drawNoise(const Context& context, const Draw& draw, int64_t first, int64_t rows, at::Tensor& noise) {
  const int64_t count = rows * noise.size(1);
  const int64_t begin = first * noise.size(1);
  if (!context.tiled()) {
    const at::Tensor host = at::empty({rows, noise.size(1)}, kHostFloat);
    fillNormal(draw, begin, host.data_ptr<float>(), count);
    noise.narrow(0, 0, rows).copy_(host);
    return;
  }
  constexpr int64_t kRange = 512;
  float* to = noise.data_ptr<float>();
  context.pool->run((count + kRange - 1) / kRange, [&](int64_t tile) {
    const int64_t from = tile * kRange;
    fillNormal(draw, begin + from, to + from, std::min(kRange, count - from));
  });
}

}  // namespace

FusedStep::FusedStep(const Context& context, const ModelSpec& spec, Store& store, fused::VaePlan plan)
    : context_(context), spec_(spec), store_(store), parameters_(store.model), plan_(std::move(plan)) {}

bool FusedStep::reserve(int64_t rows) {
  parameters_.freshenRounded(context_);  // replayed graphs read the rounded weights as they lie
  const bool isReserved = training_ && training_->capacity() == rows;
  if (!isReserved) prepare(rows);
  // A perceptron's updates leave the rounded weights behind.
  if (perceptron_) parameters_.roundedStale = context_.bf16;
  return isReserved;
}

void FusedStep::prepare(int64_t rows) {
  training_.reset();
  perceptron_.reset();
  block_.reset();
  training_ = std::make_unique<BatchPass>(context_, store_, plan_, spec_, rows, PassUse::kTraining);
  if (fused::blockObstacle(context_, spec_, rows).empty()) {
    block_ = std::make_unique<fused::BlockPerceptron>(context_, parameters_, plan_, spec_, rows);
  } else if (fused::perceptronObstacle(context_, spec_, rows).empty()) {
    perceptron_ = std::make_unique<fused::Perceptron>(context_, parameters_, plan_, spec_, rows);
  }
}

BatchPass& FusedStep::evaluationPass(int64_t rows) {
  if (!evaluation_ || evaluation_->capacity() < rows) {
    evaluation_ = std::make_unique<BatchPass>(context_, store_, plan_, spec_, rows, PassUse::kEvaluation);
  }
  return *evaluation_;
}

BatchPass& FusedStep::oneDrawPass(int64_t rows) {
  if (!fused::hasImportanceCost(context_, spec_)) return evaluationPass(rows);
  if (!oneDraw_ || oneDraw_->capacity() < rows) {
    oneDraw_ = std::make_unique<BatchPass>(context_, store_, plan_, spec_, rows, PassUse::kOneDraw);
  }
  return *oneDraw_;
}

BatchSource FusedStep::sourceOf(const StepInput& input) const {
  BatchSource source{input.data.values(), input.order, input.first, 0, input.seed, input.noise};
  if (spec_.condition.classes > 0) source.labels = input.data.labels();
  source.isDrawn = input.data.isDrawn();
  source.place = input.place;
  if (input.clock != nullptr) {
    source.state = input.clock->state();
    source.batchSize = input.clock->batchSize;
    source.isLoaded = input.isLoaded;
    source.loadsNext = input.loadsNext;
  }
  return source;
}

void FusedStep::load(BatchPass& pass, const StepInput& input) const {
  const int64_t classes = spec_.condition.classes;
  if (classes > 0) input.data.checkLabels(classes);
  if (context_.kernels != nullptr) {
    BatchSource source = sourceOf(input);
    source.channels = pass.channels.used;
    source.storedChannels = pass.channels.stored;
    context_.kernels->loadBatch(source, input.rows, pass.x.value, pass.noise, pass.z.value);
    return;
  }
  const Draw draw{input.seed, Stream::kBinary, static_cast<uint64_t>(input.noise)};
  input.data.gather(context_, {input.order, input.first, input.rows, draw, input.place}, pass.x);
  const Draw noise{input.seed, Stream::kNoise, static_cast<uint64_t>(input.noise)};
  drawNoise(context_, noise, input.place * pass.draws(), input.rows * pass.draws(), pass.noise);
  if (pass.priorDraws.defined()) {
    drawNoise(context_, drawOfRequest(noise, 1), input.place, input.rows, pass.priorDraws);
  }
  if (pass.labels.decoder == 0) return;
  const at::Tensor examples = input.order.narrow(0, input.first, input.rows);
  const at::Tensor beside =
      pass.z.value.narrow(0, 0, input.rows).narrow(1, fused::codeSize(spec_), pass.labels.decoder);
  input.data.storeLabels(context_, examples, beside);
}

void FusedStep::load(BatchPass& pass, const HostInput& input) const {
  const int64_t rows = input.rows;
  const int64_t columns = input.x.columns;
  const at::Tensor host = hostRows(input.x, input.first, rows);
  const at::Tensor target = pass.x.value.narrow(0, 0, rows);
  const auto [used, stored] = pass.channels;
  const int64_t pixels = columns / used;
  const at::Tensor images = host.view({rows, used, pixels}).transpose(1, 2);
  at::Tensor values = target.narrow(1, 0, pixels * stored).unflatten(1, {pixels, stored}).narrow(2, 0, used);
  values.copy_(images);
  if (input.x.isUint8) values.div_(255);
  if (spec_.condition.classes > 0) {
    const int32_t* given = input.x.labels == nullptr ? nullptr : input.x.labels + input.first;
    const at::Tensor labels = loadLabels(context_, spec_, given, rows);
    if (pass.labels.encoder > 0) target.narrow(1, columns, pass.labels.encoder).copy_(labels);
    if (pass.labels.decoder > 0) {
      pass.z.value.narrow(0, 0, rows).narrow(1, fused::codeSize(spec_), pass.labels.decoder).copy_(labels);
    }
  }
  if (context_.tiled()) pass.x.finishRows(0, rows);
}

void FusedStep::loadNoise(BatchPass& pass, const HostInput& input) const {
  const int64_t size = pass.noise.size(1), count = input.rows * pass.draws();
  if (size == 0) return;
  Draws draws = drawsByRow(context_, input);
  giveNoise(context_, input, size, draws);
  pass.noise.narrow(0, 0, count).copy_(draws.normal({count, size}));
}

void FusedStep::forward(BatchPass& pass, int64_t rows, bool withGradient) {
  pass_ = &pass;
  rows_ = rows;
  pass.encode(rows);
  pass.sample(rows);
  pass.decode(rows);
  pass.reconstruct(rows, withGradient);
}

void FusedStep::price(int64_t examples, const KlWeight& weight, bool withGradient) {
  beta_ = weight.beta;
  pass_->price(rows_, examples, weight, withGradient);
}

void FusedStep::differentiate(const StepInput& input) {
  if (input.clock != nullptr && perceptron_) {
    if (spec_.condition.classes > 0) input.data.checkLabels(spec_.condition.classes);
    pass_ = nullptr;
    perceptron_->differentiate(sourceOf(input), input.rows, input.data.magnitude(), *input.clock);
    return;
  }
  parameters_.freshenRounded(context_);
  load(*training_, input);
  const KlWeight weight = input.clock != nullptr ? KlWeight(input.clock->state(), input.clock->rows())
                                                 : KlWeight(input.schedule.beta, input.schedule.capacity);
  forward(*training_, input.rows, true);
  price(input.data.rows(), weight, true);
  training_->backward(input.rows, weight);
  training_->follow(input.rows);
}

void FusedStep::differentiate(const HostInput& input, const StepSchedule& schedule) {
  parameters_.freshenRounded(context_);
  asked_ = std::make_unique<BatchPass>(context_, store_, plan_, spec_, input.rows, PassUse::kTraining);
  load(*asked_, input);
  const Draw noise{input.noise.seed, Stream::kNoise, 0};
  if (input.noise.values != nullptr) {
    loadNoise(*asked_, input);
  } else {
    drawNoise(context_, noise, 0, input.rows * asked_->draws(), asked_->noise);
  }
  if (asked_->priorDraws.defined()) {
    drawNoise(context_, drawOfRequest(noise, 1), 0, input.rows, asked_->priorDraws);
  }
  const KlWeight weight(schedule.beta, schedule.capacity);
  forward(*asked_, input.rows, true);
  price(input.rows, weight, true);
  asked_->backward(input.rows, weight);
}

void FusedStep::evaluate(const StepInput& input) {
  parameters_.freshenRounded(context_);
  BatchPass& pass = evaluationPass(input.rows);
  load(pass, input);
  forward(pass, input.rows, false);
  price(input.data.rows(), {input.schedule.beta, input.schedule.capacity}, false);
}

bool FusedStep::addLosses(LossSums& sums) {
  if (const fused::ImportanceCost* cost = pass_->importanceCost()) {
    sums.loss += cost->cost();
    sums.reconstruction += cost->reconstruction();
    sums.kl += cost->rate();
    sums.terms.resize(1);
    sums.terms[0] -= cost->cost();
    sums.examples += rows_;
    return std::isfinite(cost->cost());
  }
  const auto rows = static_cast<double>(rows_);
  const double reconstruction = sumOf(context_, pass_->reconstruction, rows_);
  const double kl = sumOf(context_, pass_->kl, rows_);
  const at::Tensor& klCost = pass_->klCost().cost();
  const fused::AggregateCost* aggregate = pass_->aggregateCost();
  const double cost = aggregate != nullptr ? aggregate->cost() * rows + beta_ * aggregate->klShare() * kl
                                           : beta_ * (klCost.defined() ? klCost.item<double>() * rows : kl);
  const double loss = reconstruction + cost + pass_->penalty();
  sums.loss += loss;
  sums.reconstruction += reconstruction;
  sums.kl += kl;
  if (aggregate != nullptr) {
    sums.terms.resize(aggregate->terms().size());
    for (size_t i = 0; i < sums.terms.size(); ++i) sums.terms[i] += aggregate->terms()[i] * rows;
  }
  sums.examples += rows_;
  return std::isfinite(reconstruction) && std::isfinite(kl) && std::isfinite(loss);
}

void FusedStep::makeGradients() {
  if (pass_ == nullptr) {
    perceptron_->makeGradients(parameters_);
  } else {
    pass_->weightGradients(parameters_, rows_);
  }
}

bool FusedStep::updateAtOnce(const cpu::OptimizerCoefficients& coefficients) {
  return pass_->updateWeights(parameters_, rows_, coefficients);
}

void FusedStep::judge(const DeviceClock& clock, bool isSummand) {
  if (pass_ == nullptr) {
    perceptron_->judge(parameters_, isSummand);
  } else {
    pass_->finishGradients(parameters_, rows_, clock.settings, clock.state(), clock.rows());
  }
}

void FusedStep::update(const DeviceClock& clock) {
  if (pass_ == nullptr) {
    perceptron_->update(parameters_);
  } else {
    pass_->optimize(parameters_, rows_, clock.settings, clock.state(), clock.rows());
  }
}

std::pair<at::Tensor, at::Tensor> FusedStep::encode(const HostInput& input) {
  parameters_.freshenRounded(context_);
  BatchPass& pass = oneDrawPass(input.rows);
  load(pass, input);
  return pass.moments(input.rows);
}

std::pair<at::Tensor, at::Tensor> FusedStep::losses(const HostInput& input) {
  parameters_.freshenRounded(context_);
  BatchPass& pass = oneDrawPass(input.rows);
  load(pass, input);
  loadNoise(pass, input);
  forward(pass, input.rows, false);
  return {pass.reconstruction.narrow(0, 0, input.rows), pass.kl.narrow(0, 0, input.rows)};
}

}  // namespace torchvae
