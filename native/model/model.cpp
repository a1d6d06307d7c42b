// What a model is made of, and what it can be asked; model_training.cpp is how it is trained.
#include "model.h"

#include <ATen/Context.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/one_hot.h>

#include <cmath>

#include "eval/latent.h"
#include "host.h"
#include "objective/importance.h"

namespace torchvae {
namespace {

// Draws of z that importance() decodes at a time.
constexpr int64_t kImportanceRows = 4096;

// The tensors of a model without the optimizer's.
std::vector<StateTensor> tensorsOf(const Store& store) {
  std::vector<StateTensor> all;
  for (const ParameterEntry& entry : store.model.entries()) all.push_back({entry.name, entry.shape});
  for (const ParameterEntry& entry : store.adversary.entries()) all.push_back({entry.name, entry.shape});
  for (const ParameterEntry& entry : store.buffers.entries()) all.push_back({entry.name, entry.shape, false});
  return all;
}

}  // namespace

VaeModel::VaeModel(const Context& context, const ModelSpec& spec, uint64_t seed,
                   const std::function<void(Parameters&)>& declareFirst)
    : context_(context), spec_(spec), seed_(seed), store_{Parameters(context.panels()), {}, {}} {
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

std::vector<StateTensor> VaeModel::stateTensors() const {
  std::vector<StateTensor> all = tensorsOf(store_);
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
    throw Error("ERR_RANGE", "Expected labels from 0 to " + std::to_string(spec_.condition.classes - 1) +
                                 " but received " + std::to_string(labels[i]));
  }
  return at::one_hot(host.to(c10::kLong), spec_.condition.classes).to(context_.options());
}

Tensor VaeModel::load(const HostArray& x, int64_t first, int64_t rows, Pass& pass) const {
  pass.labels = loadLabels(x.labels == nullptr ? nullptr : x.labels + first, rows);
  const Tensor values = hostRows(x, first, rows).to(context_.options());
  return x.isUint8 ? values.div(255) : values.clone();
}

void VaeModel::prepare(Draws& draws, const NoiseSource& noise, int64_t first, int64_t rows) const {
  if (noise.values == nullptr) return;
  float* values = const_cast<float*>(noise.values) + first * codeSize();
  draws.give(at::from_blob(values, {rows, codeSize()}, kHostFloat).to(context_.options()).clone());
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
        own.labels = resident.labelsOf(context_, order.narrow(0, first, rows), spec_.condition.classes);
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
      Tensor total;
      int64_t part = 0;
      forStretches(samples, std::min(samples, kImportanceRows), [&](int64_t /*done*/, int64_t count) {
        if (abort.load()) throw Error("ERR_ABORTED", "The model was disposed while it was asked");
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

std::vector<StateTensor> planModel(const ModelSpec& spec) {
  Store store;
  Weights weights(store, Weights::Phase::kDeclare);
  const Composition composition(weights, spec);
  makeObjective(weights, spec, composition);
  return tensorsOf(store);
}

}  // namespace torchvae
