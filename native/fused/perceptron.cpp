#include "fused/perceptron.h"

#include <ATen/ops/zeros.h>

#include <algorithm>

#include "base/floats.h"
#include "base/memory.h"
#include "cpu/activation.h"
#include "fused/perceptron_tiles.h"
#include "kernels/sizes.h"

namespace torchvae::fused {
namespace {

using namespace kernels;

int32_t strideOf(const at::Tensor& rows) {
  return narrow(rows.size(1));
}

// The place of the magnitudes of the next `blocks` blocks.
uint32_t* claim(const at::Tensor& magnitudes, int64_t& count, int64_t blocks) {
  auto* first = reinterpret_cast<uint32_t*>(magnitudes.mutable_data_ptr<int32_t>()) + count;
  count += blocks;
  return first;
}
const uint32_t* bitsOf(const at::Tensor& magnitudes) {
  return reinterpret_cast<const uint32_t*>(magnitudes.const_data_ptr<int32_t>());
}

}  // namespace

Perceptron::Perceptron(const Context& context, const Parameters& parameters, const VaePlan& plan,
                       const ModelSpec& spec, int64_t capacity)
    : context_(context),
      values_(parameters.values.const_data_ptr<float>()),
      capacity_(capacity),
      latent_(spec.latentSize),
      kernels_(context.kernels->part(), perceptronKind(context, plan, spec, capacity)),
      likelihood_(spec),
      klCost_(context, spec.objective, spec.latentSize),
      head_(plan.encoder.size()) {
  const LabelColumns labels = labelsOf(spec);
  for (const LayerPlan& layer : plan.encoder) units_.push_back(makeUnit(layer, kEncoder));
  units_.push_back({plan.head, kEncoder, {}, {}, rowsOf(plan.head.out)});
  for (const LayerPlan& layer : plan.decoder) units_.push_back(makeUnit(layer, kDecoder));
  for (Loaded& loaded : loaded_) {
    loaded = {rowsOf(spec.inputSize() + labels.encoder), zeroed(context, {capacity, latent_}),
              rowsOf(latent_ + labels.decoder)};
  }
  headOutput_ = zeroed(context, {capacity, 2 * latent_});
  kl_ = zeroed(context, {capacity});
  losses_ = zeroed(context, {kernels_.outputTiles(spec.inputSize()), capacity});
  int64_t ofBatch = kernels_.latentBlocks(capacity, 1);
  if (kernels_.goesByRows()) {
    ofBatch += kernels_.rowBlocks(capacity);
    heads_ = zeroed(context, {capacity, headSlices() * 2 * latent_});
  }
  if (kernels_.hasOutputBack())
    parts_ = zeroed(context, {losses_.size(0), capacity, (units_.back().slots.in + 7) / 8 * 8});
  for (const Unit& unit : units_) {
    ofBatch += kernels_.forwardBlocks(capacity, unit.slots.out) +
               kernels_.outputBlocks(capacity, unit.slots.out) +
               kernels_.latentBlocks(capacity, kernels_.slices(1, unit.slots.out));
    weightBlocks_ += kernels_.weightBlocks(unit.slots.in, unit.slots.out);
  }
  const auto options = c10::TensorOptions().device(context.device);
  activations_ = at::zeros({ofBatch}, options.dtype(c10::kInt));
  deltas_ = at::zeros({ofBatch}, options.dtype(c10::kInt));
  squares_ = at::zeros({weightBlocks_}, options.dtype(c10::kDouble));
}

int64_t Perceptron::headSlices() const {
  return kernels_.forwardBlocks(1, units_[head_ - 1].slots.out);
}

at::Tensor Perceptron::rowsOf(int64_t columns) const {
  return zeroed(context_, {capacity_, (columns + 3) / 4 * 4});
}

Perceptron::Unit Perceptron::makeUnit(const LayerPlan& plan, Side side) const {
  const DenseSlots& slots = slotsOf(plan);
  Unit unit{slots, side, rowsOf(slots.out), {}, rowsOf(slots.out)};
  if (keptOf(plan.activation) == KeptOf::kSlope) unit.slope = rowsOf(slots.out);
  return unit;
}

const at::Tensor& Perceptron::inputOf(size_t layer) const {
  if (layer == 0) return loaded_[now_].x;
  return layer == head_ + 1 ? loaded_[now_].z : units_[layer - 1].output;
}

ForwardArguments Perceptron::forwardArguments(size_t layer) const {
  const Unit& unit = units_[layer];
  const at::Tensor& from = inputOf(layer);
  ForwardArguments a{floats(from),
                     values_ + unit.slots.weight.offset,
                     values_ + unit.slots.bias.offset,
                     floats(unit.output),
                     floats(unit.slope),
                     nullptr,
                     narrow(rows_),
                     narrow(unit.slots.in),
                     narrow(unit.slots.out),
                     strideOf(from),
                     strideOf(unit.output),
                     unit.side,
                     layer == 0 && isLoaded_ ? 1 : 0,
                     nullptr,
                     nullptr,
                     0};
  if (kernels_.goesByRows() && layer + 1 == head_) {
    a.headWeight = values_ + units_[head_].slots.weight.offset;
    a.heads = floats(heads_);
    a.headSize = narrow(2 * latent_);
  }
  return a;
}

// Of the hidden layer below `layer`.
BackArguments Perceptron::backArguments(size_t layer) const {
  const Unit& above = units_[layer];
  const Unit& unit = units_[layer - 1];
  return {floats(above.delta),
          values_ + above.slots.weight.offset,
          floats(unit.slope.defined() ? unit.slope : unit.output),
          floats(unit.delta),
          nullptr,
          narrow(rows_),
          narrow(above.slots.in),
          narrow(above.slots.out),
          strideOf(above.delta),
          strideOf(unit.delta),
          unit.side};
}

void Perceptron::forward(size_t from, size_t to) {
  for (size_t layer = from; layer < to; ++layer) {
    ForwardArguments a = forwardArguments(layer);
    a.magnitudes = claim(activations_, activationCount_, kernels_.forwardBlocks(rows_, a.out));
    kernels_.forward(a);
  }
}

void Perceptron::sample() {
  const DenseSlots& head = units_[head_].slots;
  const at::Tensor& from = inputOf(head_);
  LatentArguments a{floats(from),
                    values_ + head.weight.offset,
                    values_ + head.bias.offset,
                    floats(loaded_[now_].noise),
                    floats(headOutput_),
                    floats(loaded_[now_].z),
                    floats(kl_),
                    {},
                    nullptr,
                    narrow(rows_),
                    narrow(head.in),
                    narrow(latent_),
                    strideOf(from),
                    strideOf(loaded_[now_].z),
                    0};
  if (hasHiddenDecoder()) a.hidden = forwardArguments(head_ + 1);
  a.slices = narrow(kernels_.slices(rows_, a.hidden.out));
  a.magnitudes = claim(activations_, activationCount_, kernels_.latentBlocks(rows_, a.slices));
  kernels_.latent(a);
}

// The same where the layer before has left the head in parts.
void Perceptron::sampleByRows() {
  LatentRowsArguments a{floats(heads_),
                        values_ + units_[head_].slots.bias.offset,
                        floats(loaded_[now_].noise),
                        floats(headOutput_),
                        floats(loaded_[now_].z),
                        floats(kl_),
                        forwardArguments(head_ + 1),
                        claim(activations_, activationCount_, kernels_.rowBlocks(rows_)),
                        narrow(rows_),
                        narrow(latent_),
                        strideOf(loaded_[now_].z),
                        narrow(headSlices()),
                        0};
  kernels_.latentRows(a);
}

OutputArguments Perceptron::outputArguments() const {
  const Unit& unit = units_.back();
  const at::Tensor& from = inputOf(units_.size() - 1);
  const cpu::LikelihoodTerms& terms = likelihood_.terms();
  return {floats(from),
          values_ + unit.slots.weight.offset,
          values_ + unit.slots.bias.offset,
          floats(loaded_[now_].x),
          floats(unit.delta),
          floats(losses_),
          nullptr,
          static_cast<float>(terms.precision),
          terms.sigmoid ? 1 : 0,
          narrow(rows_),
          narrow(unit.slots.in),
          narrow(unit.slots.out),
          strideOf(from),
          strideOf(loaded_[now_].x),
          strideOf(unit.delta)};
}

// With outputBack() also what the delta of the layer below is made of.
void Perceptron::output() {
  OutputArguments a = outputArguments();
  a.magnitudes = claim(deltas_, deltaCount_, kernels_.outputBlocks(rows_, a.out));
  if (!kernels_.hasOutputBack()) return kernels_.output(a);
  kernels_.outputBack({a, floats(parts_), narrow(kernels_.outputTiles(a.out)), narrow(parts_.size(2))});
}

// The deltas of the hidden layers to, ..., from - 1, the last first.
void Perceptron::back(size_t from, size_t to) {
  for (size_t layer = from; layer > to; --layer) {
    BackArguments a = backArguments(layer);
    a.magnitudes = claim(deltas_, deltaCount_, kernels_.forwardBlocks(rows_, a.in));
    kernels_.back(a);
  }
}

LatentBackArguments Perceptron::latentBackArguments() const {
  const Unit& head = units_[head_];
  const Unit& first = units_[head_ + 1];
  const cpu::LikelihoodTerms& terms = likelihood_.terms();
  const at::Tensor& factors = klCost_.factors();
  const at::Tensor& cost = klCost_.cost();
  LatentBackArguments a{floats(first.delta),
                        values_ + first.slots.weight.offset,
                        floats(headOutput_),
                        floats(loaded_[now_].noise),
                        floats(factors),
                        floats(head.delta),
                        {},
                        nullptr,
                        clock_.state(),
                        clock_.rows(),
                        floats(losses_),
                        floats(kl_),
                        cost.defined() ? cost.const_data_ptr<double>() : nullptr,
                        terms.precision,
                        terms.constant,
                        clock_.settings.beta1,
                        clock_.settings.beta2,
                        narrow(rows_),
                        narrow(first.slots.out),
                        narrow(latent_),
                        strideOf(first.delta),
                        strideOf(head.delta),
                        narrow(kernels_.outputTiles(units_.back().slots.out)),
                        0};
  if (head_ > 0) a.hidden = backArguments(head_);
  return a;
}

void Perceptron::sampleBack() {
  LatentBackArguments a = latentBackArguments();
  a.slices = narrow(kernels_.slices(rows_, a.hidden.in));
  a.magnitudes = claim(deltas_, deltaCount_, kernels_.latentBlocks(rows_, a.slices));
  kernels_.latentBack(a);
}

void Perceptron::sampleBackByRows(const BatchSource& source) {
  LatentRowsBackArguments a{latentBackArguments(), nullptr, nullptr, nullptr, 0, 0, 0, 0, {}};
  a.between.magnitudes = claim(deltas_, deltaCount_, kernels_.rowBlocks(rows_));
  if (kernels_.hasOutputBack()) {
    const Unit& first = units_[head_ + 1];
    a.parts = floats(parts_);
    a.kept = floats(first.slope.defined() ? first.slope : first.output);
    a.delta = floats(first.delta);
    a.slices = a.between.lossTiles;
    a.partStride = narrow(parts_.size(2));
  }
  if (source.loadsNext) {
    constexpr int64_t kMostBlocks = 64;
    const Loaded& next = loaded_[1 - now_];
    a.load = loadArguments(source, rows_, next.x, next.noise, next.z);
    a.load.ahead = 1;
    a.loadBlocks = narrow(std::min(kMostBlocks, ceilDiv(rows_, 2)));
  }
  kernels_.latentRowsBack(a);
}

// Puts the batch in place, unless the step before has loaded it.
void Perceptron::load(const BatchSource& source) {
  isLoaded_ = source.isLoaded && kernels_.goesByRows();
  if (isLoaded_) {
    now_ = 1 - now_;
  } else {
    const Loaded& loaded = loaded_[now_];
    context_.kernels->loadBatch(source, rows_, loaded.x, loaded.noise, loaded.z);
  }
}

void Perceptron::differentiate(const BatchSource& source, int64_t rows, float inputMagnitude,
                               const DeviceClock& clock) {
  rows_ = rows;
  inputMagnitude_ = inputMagnitude;
  clock_ = clock;
  activationCount_ = deltaCount_ = 0;
  load(source);
  forward(0, head_);
  kernels_.goesByRows() ? sampleByRows() : sample();
  klCost_.evaluate(headOutput_, KlWeight(clock.state(), clock.rows()), rows);
  const size_t last = units_.size() - 1;
  forward(head_ + 2, last);
  output();
  if (!kernels_.hasOutputBack()) back(last, head_ + 1);
  kernels_.goesByRows() ? sampleBackByRows(source) : sampleBack();
  if (head_ > 0) back(head_ - 1, 0);
}

UpdateBuffers Perceptron::buffersOf(const Parameters& parameters) const {
  return {parameters.values,
          parameters.gradients,
          parameters.firstMoments,
          parameters.secondMoments,
          {},  // products round the weights themselves
          squares_};
}

WeightsArguments Perceptron::weightsArguments(const Parameters& parameters, WeightsMode mode) const {
  WeightsArguments a{};
  a.update = optimizeArguments(buffersOf(parameters), weightBlocks_, rows_, clock_.settings, clock_.state(),
                               clock_.rows());
  a.squares = squares_.mutable_data_ptr<double>();
  a.gradients = floats(parameters.gradients);
  a.activations = bitsOf(activations_);
  a.deltas = bitsOf(deltas_);
  a.activationCount = narrow(activationCount_);
  a.deltaCount = narrow(deltaCount_);
  a.inputMagnitude = inputMagnitude_;
  a.mode = mode;
  a.layers = narrow(static_cast<int64_t>(units_.size()));
  int64_t blocks = 0;
  for (size_t i = 0; i < units_.size(); ++i) {
    const Unit& unit = units_[i];
    const at::Tensor& from = inputOf(i);
    a.layer[i] = {floats(from),           floats(unit.delta),    unit.slots.weight.offset,
                  unit.slots.bias.offset, narrow(unit.slots.in), narrow(unit.slots.out),
                  strideOf(from),         strideOf(unit.delta),  narrow(blocks)};
    blocks += kernels_.weightBlocks(unit.slots.in, unit.slots.out);
  }
  return a;
}

void Perceptron::makeGradients(const Parameters& parameters) {
  kernels_.weights(weightsArguments(parameters, kGradients), weightBlocks_);
}

void Perceptron::judge(const Parameters& parameters, bool isSummand) {
  if (isSummand || clock_.settings.clipNorm > 0) makeGradients(parameters);
}

void Perceptron::update(const Parameters& parameters) {
  if (clock_.settings.clipNorm == 0) {
    kernels_.weights(weightsArguments(parameters, kUpdateAtOnce), weightBlocks_);
  } else {
    context_.kernels->optimize(buffersOf(parameters), weightBlocks_, rows_, clock_.settings, clock_.state(),
                               clock_.rows());
  }
}

}  // namespace torchvae::fused
