#include "model.h"

#include <ATen/Context.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/one_hot.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "eval/latent.h"
#include "objective/importance.h"
#include "ops/optimiser.h"
#include "random/philox.h"
#include "train/loop.h"
#include "train/observer.h"

namespace torchvae {
namespace {

// Examples that methods other than train() take at a time.
constexpr int64_t kEvaluationRows = 256;
// Draws of z that importance() decodes at a time.
constexpr int64_t kImportanceRows = 4096;

const c10::TensorOptions kHostFloat = c10::TensorOptions().dtype(c10::kFloat);

void copyOut(const at::Tensor& tensor, float* to) {
  at::from_blob(to, tensor.sizes(), kHostFloat).copy_(tensor);
}

// Calls body(first, rows) for stretches of at most `most`.
template <class Body>
void forStretches(int64_t total, int64_t most, const Body& body) {
  for (int64_t first = 0; first < total; first += most) body(first, std::min(most, total - first));
}

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

VaeModel::VaeModel(const Context& context, const ModelSpec& spec, uint64_t seed,
                   const std::function<void(Parameters&)>& declareFirst)
    : context_(context), spec_(spec), seed_(seed) {
  if (declareFirst) declareFirst(store_.model);
  Weights declared(store_, Weights::Phase::kDeclare);
  const Composition draft(declared, spec_);
  makeObjective(declared, spec_, draft);
  store_.model.allocate(context_, seed);
  store_.adversary.allocate(context_, seed + 1);
  store_.buffers.allocate(context_, seed + 2);
  Weights weights(store_, Weights::Phase::kUse);
  composition_ = std::make_unique<Composition>(weights, spec_);
  objective_ = makeObjective(weights, spec_, *composition_);
}

void VaeModel::choosePrecision() const {
  if (!context_.device.is_cuda()) return;
  at::globalContext().setAllowTF32CuBLAS(context_.tf32);
  at::globalContext().setAllowTF32CuDNN(context_.tf32);
}

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

std::vector<StateTensor> VaeModel::stateTensors() const {
  std::vector<StateTensor> all;
  for (const ParameterEntry& entry : store_.model.entries()) all.push_back({entry.name, entry.shape});
  for (const ParameterEntry& entry : store_.adversary.entries()) all.push_back({entry.name, entry.shape});
  for (const ParameterEntry& entry : store_.buffers.entries()) {
    all.push_back({entry.name, entry.shape, false});
  }
  store_.model.addMoments(all);
  store_.adversary.addMoments(all);
  return all;
}

at::Tensor VaeModel::state(const std::string& name) const {
  for (const Parameters* parameters : {&store_.model, &store_.adversary, &store_.buffers}) {
    const at::Tensor found = parameters->state(name);
    if (found.defined()) return found;
  }
  throw Error("ERR_CHECKPOINT", "The model has no tensor named " + name);
}

std::vector<float> VaeModel::readState(const std::string& name) const {
  return computed([&] {
    const at::Tensor tensor = state(name);
    std::vector<float> values(static_cast<size_t>(tensor.numel()));
    copyOut(tensor, values.data());
    return values;
  });
}

void VaeModel::writeState(const std::string& name, const float* values, int64_t count) {
  computed([&] {
    if (Parameters::isAverage(name)) store_.model.keepAverage(context_);
    at::Tensor tensor = state(name);
    if (tensor.numel() != count) {
      throw Error("ERR_CHECKPOINT", "The model's tensor " + name + " has " + std::to_string(tensor.numel()) +
                                        " values but received " + std::to_string(count));
    }
    tensor.copy_(at::from_blob(const_cast<float*>(values), tensor.sizes(), kHostFloat));
    store_.model.roundedStale = store_.model.roundedWeights.defined();
  });
}

Pass VaeModel::pass(Draws& draws, const StepSchedule& schedule, bool training) const {
  const auto scalar = [&](double value) { return at::full({}, value, context_.options()); };
  return {
      draws, training, {}, scalar(schedule.beta), scalar(schedule.capacity), scalar(schedule.temperature)};
}

Tensor VaeModel::loadLabels(const int32_t* labels, int64_t rows) const {
  if (spec_.condition.classes == 0) return {};
  if (labels == nullptr) {
    throw Error("ERR_SHAPE", "This model is conditioned on labels: give one for each example");
  }
  const Tensor host =
      at::from_blob(const_cast<int32_t*>(labels), {rows}, c10::TensorOptions().dtype(c10::kInt));
  for (int64_t i = 0; i < rows; ++i) {
    if (labels[i] >= 0 && labels[i] < spec_.condition.classes) continue;
    throw Error("ERR_RANGE", "Expected labels below " + std::to_string(spec_.condition.classes) +
                                 " but received " + std::to_string(labels[i]));
  }
  return at::one_hot(host.to(c10::kLong), spec_.condition.classes).to(context_.options());
}

Tensor VaeModel::load(const HostArray& x, int64_t first, int64_t rows, Pass& pass) const {
  const auto* bytes = static_cast<const uint8_t*>(x.data);
  const int64_t width = x.columns * (x.isUint8 ? 1 : static_cast<int64_t>(sizeof(float)));
  const Tensor host = at::from_blob(const_cast<uint8_t*>(bytes + first * width), {rows, x.columns},
                                    c10::TensorOptions().dtype(x.isUint8 ? c10::kByte : c10::kFloat));
  pass.labels = loadLabels(x.labels == nullptr ? nullptr : x.labels + first, rows);
  const Tensor values = host.to(context_.options());
  return x.isUint8 ? values.div(255) : values.clone();
}

void VaeModel::prepare(Draws& draws, const NoiseSource& noise, int64_t first, int64_t rows) const {
  if (noise.values == nullptr) return;
  float* values = const_cast<float*>(noise.values) + first * codeSize();
  draws.give(at::from_blob(values, {rows, codeSize()}, kHostFloat).to(context_.options()).clone());
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

TrainResult VaeModel::train(const TrainChunk& chunk) {
  return computed([&] {
    const auto& data = static_cast<const ResidentDataset&>(*chunk.data);
    const at::Tensor& order = orderOf(chunk);
    const bool hasAdversary = store_.adversary.size() > 0;
    StepObserver observer(store_.model);
    std::vector<std::string> faults;
    TrainResult result = runLoop(chunk, data.rows(), step_, [&](const Batch& batch, LossSums& sums) {
      Draws draws(context_, {seed_, Stream::kNoise, static_cast<uint64_t>(batch.noise)});
      Pass own = pass(draws, batch.schedule, true);
      const Tensor x = data.rowsOf(context_, order, batch.first, batch.rows,
                                   {seed_, Stream::kBinary, static_cast<uint64_t>(batch.noise)});
      if (spec_.condition.classes > 0) {
        own.labels = data.labelsOf(context_, order, batch.first, batch.rows, spec_.condition.classes);
      }
      const LossSums before = sums;
      const Terms terms = differentiate(x, data.rows(), own);
      addTerms(terms, batch.rows, sums);
      const auto refuse = [&] {
        if (faults.empty()) faults = faultsOf(before, sums, store_.model);
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
      optimiserStep(context_, store_.model, chunk.optimiser, point);
      if (hasAdversary) optimiserStep(context_, store_.adversary, {}, opponent);
      if (chunk.optimiser.averageDecay > 0) {
        averageWeights(context_, store_.model, chunk.optimiser.averageDecay);
      }
      if (batch.isObserved) observer.end();
      return true;
    });
    result.norms = observer.take();
    result.faults = std::move(faults);
    return result;
  });
}

LossSums VaeModel::evaluate(Dataset& data, int64_t batchSize, uint64_t noiseSeed,
                            const std::atomic<bool>& abort) {
  return computed([&] {
    const auto& resident = static_cast<const ResidentDataset&>(data);
    const Tensor order =
        at::arange(data.rows(), c10::TensorOptions().dtype(c10::kLong).device(context_.device));
    LossSums sums;
    int64_t batch = 0;
    for (int64_t first = 0; first < data.rows() && !abort.load(); first += batchSize, ++batch) {
      const int64_t rows = std::min(batchSize, data.rows() - first);
      Draws draws(context_, {noiseSeed, Stream::kNoise, static_cast<uint64_t>(batch)});
      Pass own = pass(draws, {}, false);
      if (spec_.condition.classes > 0) {
        own.labels = resident.labelsOf(context_, order, first, rows, spec_.condition.classes);
      }
      const Draw binary{noiseSeed, Stream::kBinary, static_cast<uint64_t>(batch)};
      const Draft d = draft(*composition_, resident.rowsOf(context_, order, first, rows, binary), own);
      sums.reconstruction += d.reconstruction.sum(c10::kDouble).item<double>();
      sums.kl += d.kl.sum(c10::kDouble).item<double>();
      sums.examples += rows;
    }
    return sums;
  });
}

void VaeModel::encode(const HostArray& x, float* mean, float* logVariance) {
  computed([&] {
    forStretches(x.rows, kEvaluationRows, [&](int64_t first, int64_t rows) {
      Draws draws(context_, {});
      Pass own = pass(draws, {}, false);
      const Tensor features = composition_->encode(load(x, first, rows, own), own);
      const Gaussian q = composition_->posterior().moments(features, own);
      copyOut(q.mean, mean + first * codeSize());
      copyOut(q.logVariance, logVariance + first * codeSize());
    });
  });
}

void VaeModel::decode(const float* z, const int32_t* labels, int64_t total, DecodeKind kind, uint64_t seed,
                      float* x) {
  computed([&] {
    forStretches(total, kEvaluationRows, [&](int64_t first, int64_t rows) {
      Draws draws(context_, {seed, Stream::kPrior, static_cast<uint64_t>(first) + 1});
      Pass own = pass(draws, {}, false);
      if (spec_.condition.decoder) {
        own.labels = loadLabels(labels == nullptr ? nullptr : labels + first, rows);
      }
      float* from = const_cast<float*>(z) + first * codeSize();
      const Tensor codes = at::from_blob(from, {rows, codeSize()}, kHostFloat).to(context_.options());
      const Tensor y = composition_->decode(codes, own);
      const Likelihood& likelihood = composition_->likelihood();
      copyOut(kind == DecodeKind::kMean   ? likelihood.mean(y)
              : kind == DecodeKind::kMode ? likelihood.mode(y)
                                          : likelihood.sample(y, own),
              x + first * spec_.inputSize());
    });
  });
}

void VaeModel::samplePrior(const int32_t* labels, int64_t rows, uint64_t seed, float* z) {
  computed([&] {
    Draws draws(context_, {seed, Stream::kPrior, 0});
    Pass own = pass(draws, {}, false);
    if (spec_.condition.prior) own.labels = loadLabels(labels, rows);
    copyOut(composition_->prior().sample(rows, own), z);
  });
}

void VaeModel::importance(const HostArray& x, int64_t samples, uint64_t seed, const std::atomic<bool>& abort,
                          float* negativeLogLikelihood) {
  computed([&] {
    if (!composition_->posterior().hasDensity()) {
      throw Error("ERR_STATE",
                  "An importance-weighted likelihood needs the density of q(z|x), which the posterior " +
                      spec_.posterior.type + " does not have");
    }
    // A few examples at a time with as many draws each as fit; the bound is put together from its parts.
    const int64_t together = std::clamp<int64_t>(kImportanceRows / samples, 1, kEvaluationRows);
    forStretches(x.rows, together, [&](int64_t first, int64_t rows) {
      if (abort.load()) return;
      Tensor total;
      int64_t part = 0;
      forStretches(samples, std::min(samples, kImportanceRows), [&](int64_t /*done*/, int64_t count) {
        const auto place = static_cast<uint64_t>(first) * 4096 + static_cast<uint64_t>(part++);
        Draws draws(context_, {seed, Stream::kNoise, place});
        Pass own = pass(draws, {}, false);
        const Tensor batch = load(x, first, rows, own);
        const Importance w = importanceWeights(*composition_, batch, count, false, own);
        const Tensor sum = w.logWeight.to(c10::kDouble).logsumexp({1});
        total = total.defined() ? total.logaddexp(sum) : sum;
      });
      copyOut(std::log(static_cast<double>(samples)) - total, negativeLogLikelihood + first);
    });
  });
}

std::vector<float> VaeModel::divergences(const HostArray& x, uint64_t seed, int64_t& groups) {
  return computed([&] {
    std::vector<float> all;
    forStretches(x.rows, kEvaluationRows, [&](int64_t first, int64_t rows) {
      Draws draws(context_, {seed, Stream::kNoise, static_cast<uint64_t>(first)});
      Pass own = pass(draws, {}, false);
      const Tensor features = composition_->encode(load(x, first, rows, own), own);
      const Tensor each = composition_->divergence(composition_->posterior().rsample(features, own), own);
      groups = each.size(1);
      all.resize(static_cast<size_t>((first + rows) * groups));
      copyOut(each, all.data() + first * groups);
    });
    return all;
  });
}

LatentStatistics VaeModel::latentStatistics(const HostArray& x, uint64_t seed) {
  return computed([&] {
    LatentSurvey survey;
    forStretches(x.rows, kEvaluationRows, [&](int64_t first, int64_t rows) {
      Draws draws(context_, {seed, Stream::kNoise, static_cast<uint64_t>(first)});
      Pass own = pass(draws, {}, false);
      const Tensor features = composition_->encode(load(x, first, rows, own), own);
      const Latent latent = composition_->posterior().rsample(features, own);
      survey.add(composition_->posterior().moments(features, own).mean, composition_->divergence(latent, own),
                 latent.gaussian, latent.z);
    });
    return survey.finish();
  });
}

void VaeModel::losses(const HostArray& x, const NoiseSource& noise, float* reconstruction, float* kl) {
  computed([&] {
    forStretches(x.rows, kEvaluationRows, [&](int64_t first, int64_t rows) {
      Draws draws(context_, {noise.seed, Stream::kNoise, static_cast<uint64_t>(first)});
      Pass own = pass(draws, {}, false);
      prepare(draws, noise, first, rows);
      const Draft d = draft(*composition_, load(x, first, rows, own), own);
      copyOut(d.reconstruction, reconstruction + first);
      copyOut(d.kl, kl + first);
    });
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

std::vector<StateTensor> planModel(const ModelSpec& spec) {
  Store store;
  Weights weights(store, Weights::Phase::kDeclare);
  const Composition composition(weights, spec);
  makeObjective(weights, spec, composition);
  std::vector<StateTensor> all;
  for (const ParameterEntry& entry : store.model.entries()) all.push_back({entry.name, entry.shape});
  for (const ParameterEntry& entry : store.adversary.entries()) all.push_back({entry.name, entry.shape});
  for (const ParameterEntry& entry : store.buffers.entries()) all.push_back({entry.name, entry.shape, false});
  return all;
}

}  // namespace torchvae
