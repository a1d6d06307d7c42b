// What a model is made of, how it is kept and trained; questions.cpp has what it can be asked.
#include "model/model.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>

#include "base/host.h"
#include "cpu/pool.h"
#include "fused/coverage.h"
#include "ops/plain.h"
#include "ranks/ranks.h"
#include "step/fused_step.h"
#include "step/reference_step.h"
#include "train/team.h"

namespace torchvae {
namespace {

// The tensors of a model without the optimizer's.
std::vector<StateTensor> tensorsOf(const Store& store) {
  std::vector<StateTensor> all;
  for (const ParameterEntry& entry : store.model.entries()) all.push_back({entry.name, entry.shape});
  for (const ParameterEntry& entry : store.adversary.entries()) all.push_back({entry.name, entry.shape});
  for (const ParameterEntry& entry : store.buffers.entries()) all.push_back({entry.name, entry.shape, false});
  return all;
}

}  // namespace

namespace {

// Why the model is not to be fused; empty where it is.
std::string unfusedReason(const Context& context, const ModelSpec& spec, bool reference) {
  std::string reason = fused::obstacle(context, spec);
  if (reason.empty() && reference) reason = "kernels 'reference' was asked for";
  if (context.bf16 && !reason.empty()) {
    throw Error("ERR_SPEC", "precision 'bf16' is for models whose parts all have fused kernels, but " +
                                reason + "; use 'float32'");
  }
  return reason;
}

}  // namespace

VaeModel::VaeModel(const Context& context, const ModelSpec& spec, uint64_t seed, bool reference)
    : context_(context),
      spec_(spec),
      seed_(seed),
      unfused_(unfusedReason(context, spec, reference)),
      store_{Parameters(context.panels(), context.channelMultiple()), {}, {}} {
  // The fused layers' tensors come first, in layouts of their kernels; the parts then find them declared.
  fused::VaePlan plan;
  if (unfused_.empty()) plan = fused::declareVae(store_.model, spec_);
  {
    Weights declared(store_, Weights::Phase::kDeclare, &context_);
    const Vae draft(declared, spec_);
    makeObjective(declared, spec_, draft);
  }
  store_.model.allocate(context_, seed);
  store_.adversary.allocate(context_, seed + 1);
  store_.buffers.allocate(context_, seed + 2);
  Weights weights(store_, Weights::Phase::kUse, &context_);
  vae_ = std::make_unique<Vae>(weights, spec_);
  objective_ = makeObjective(weights, spec_, *vae_);
  const auto makeReference = [&] {
    return std::make_unique<ReferenceStep>(context_, spec_, store_, *vae_, *objective_);
  };
  const bool couplesRows = objective_->couplesRows() || store_.buffers.size() > 0;
  if (unfused_.empty()) {
    trainingStep_ = std::make_unique<FusedStep>(context_, spec_, store_, std::move(plan));
    // Fused kernels see the rows that are here alone.
    if (couplesRows) partStep_ = makeReference();
  } else {
    trainingStep_ = makeReference();
  }
  trainer_ = std::make_unique<Trainer>(
      Trained{context_, store_, *trainingStep_, couplesRows, partStep_ ? *partStep_ : *trainingStep_, seed_,
              static_cast<int64_t>(objective_->termNames().size()), objective_->adversaryLearningRate()});
}

void VaeModel::applySettings() const {
  if (context_.pool != nullptr) {
    // Where layers, likelihoods and densities run on our pool, what is left to libtorch is small: its threads
    // would take longer to wake than to work, and take the cores from ours.
    const auto hasOwnProducts = [&](const NetworkSpec& network) {
      if (network.type == "mlp") return context_.tiledProducts();
      return (network.type == "conv" || network.type == "residual") && PlainOperations::served(context_);
    };
    const bool isOwn = hasOwnProducts(spec_.encoder) && hasOwnProducts(spec_.decoder);
    const int threads = isOwn ? 1 : static_cast<int>(context_.pool->threads());
    if (at::get_num_threads() != threads) at::set_num_threads(threads);
  }
  if (!context_.device.is_cuda()) return;
  at::globalContext().setAllowTF32CuBLAS(context_.tf32);
  at::globalContext().setAllowTF32CuDNN(context_.tf32);
  // The same bits in every run: no algorithm whose sums have no order, and none chosen by measured times,
  // which may fall differently where a run is resumed (cuDNN's benchmark mode stays off).
  at::globalContext().setDeterministicCuDNN(true);
}

std::vector<StateTensor> VaeModel::stateTensors() const {
  std::vector<StateTensor> all = tensorsOf(store_);
  store_.model.addMoments(all);
  store_.adversary.addMoments(all);
  return all;
}

StateSlot VaeModel::state(const std::string& name) const {
  for (const Parameters* parameters : {&store_.model, &store_.adversary, &store_.buffers}) {
    if (const std::optional<StateSlot> found = parameters->state(name)) return *found;
  }
  throw Error("ERR_CHECKPOINT", "The model has no tensor named " + name);
}

StateValues VaeModel::readState(const std::string& name) const {
  return computed([&] {
    const at::Tensor tensor = state(name).read();
    const auto count = static_cast<size_t>(tensor.numel());
    StateValues values;
    if (tensor.scalar_type() == c10::kDouble) {
      values.doubles.resize(count);
      at::from_blob(values.doubles.data(), tensor.sizes(), kHostDouble).copy_(tensor);
    } else {
      values.floats.resize(count);
      copyOut(tensor, values.floats.data());
    }
    return values;
  });
}

void VaeModel::writeState(const std::string& name, const StateValues& values) {
  computed([&] {
    if (Parameters::isAverage(name)) store_.model.keepAverage(context_);
    const StateSlot tensor = state(name);
    const int64_t count = tensor.read().numel();
    if (count != values.size()) {
      throw Error("ERR_CHECKPOINT", "The model's tensor " + name + " has " + std::to_string(count) +
                                        " values but received " + std::to_string(values.size()));
    }
    const bool isDouble = values.floats.empty();
    const void* from = isDouble ? static_cast<const void*>(values.doubles.data()) : values.floats.data();
    tensor.write(at::from_blob(const_cast<void*>(from), {count}, isDouble ? kHostDouble : kHostFloat));
    store_.model.roundedStale = store_.model.roundedWeights.defined();
  });
}

TrainResult VaeModel::train(const TrainChunk& chunk) {
  return computed([&] { return trainer_->run(chunk, step_); });
}

std::vector<TrainOutcome> VaeModel::trainTogether(const std::vector<VaeModel*>& models,
                                                  const std::vector<TrainChunk>& chunks) {
  const auto captured = [](const auto& work) -> TrainOutcome {
    try {
      return {work(), {}};
    } catch (...) {
      return {{}, translatedError()};
    }
  };
  std::vector<TrainOutcome> outcomes;
  // Settings of libtorch hold for the whole process: models that differ in them take turns.
  const bool isAlike = std::ranges::all_of(models, [&](const VaeModel* model) {
    return model->context_.kernels != nullptr && model->context_.tf32 == models.front()->context_.tf32;
  });
  if (!isAlike) {
    for (size_t i = 0; i < models.size(); ++i)
      outcomes.push_back(captured([&] { return models[i]->train(chunks[i]); }));
    return outcomes;
  }
  std::vector<Trainer::Turn> turns;
  for (size_t i = 0; i < models.size(); ++i)
    turns.push_back({*models[i]->trainer_, chunks[i], models[i]->step_});
  return models.front()->computed([&] { return Trainer::runTogether(turns); });
}

LossSums VaeModel::evaluate(Dataset& data, int64_t batchSize, uint64_t noiseSeed,
                            const StepSchedule& schedule, const std::atomic<bool>& abort, Ranks* ranks) {
  return computed([&] {
    OneRank alone;
    TensorRanks& team = ranks == nullptr ? alone : static_cast<TensorRanks&>(*ranks);
    const auto& resident = static_cast<const ResidentDataset&>(data);
    const at::Tensor order =
        at::arange(data.rows(), c10::TensorOptions().dtype(c10::kLong).device(context_.device));
    LossSums sums;
    const Share share = team.shareOf((data.rows() + batchSize - 1) / batchSize);
    for (int64_t batch = share.first; batch < share.first + share.rows && !abort.load(); ++batch) {
      const int64_t first = batch * batchSize;
      const int64_t rows = std::min(batchSize, data.rows() - first);
      trainingStep_->evaluate({resident, order, first, rows, schedule, noiseSeed, batch});
      trainingStep_->addLosses(sums);
    }
    std::vector<double> nothing;
    if (ranks != nullptr) sumLosses(team, static_cast<int64_t>(termNames().size()), sums, nothing, abort);
    return sums;
  });
}

std::string VaeModel::synchronize(Ranks& ranks, const std::atomic<bool>& abort) {
  return computed([&] {
    auto& team = static_cast<TensorRanks&>(ranks);
    CudaPart* part = context_.kernels == nullptr ? nullptr : &context_.kernels->part();
    std::string way = team.meetOn(context_.device, part, abort);
    for (const Parameters* parameters : {&store_.model, &store_.adversary, &store_.buffers}) {
      if (parameters->size() == 0) continue;
      for (const at::Tensor& tensor :
           {parameters->values, parameters->firstMoments, parameters->secondMoments, parameters->average}) {
        if (tensor.defined()) team.broadcast(tensor, abort);
      }
    }
    team.await(abort);
    store_.model.roundedStale = store_.model.roundedWeights.defined();
    return way;
  });
}

Gradients VaeModel::gradients(const HostArray& x, const NoiseSource& noise, const StepSchedule& schedule) {
  return computed([&] {
    trainingStep_->differentiate({x, 0, x.rows, noise}, schedule);
    trainingStep_->makeGradients();
    Gradients gradients;
    trainingStep_->addLosses(gradients.sums);
    for (const Parameters* parameters : {&store_.model, &store_.adversary}) {
      for (const ParameterEntry& entry : parameters->entries()) {
        const at::Tensor gradient = StateSlot{parameters->gradients, entry.slot}.read();
        gradients.each.emplace_back(static_cast<size_t>(gradient.numel()));
        copyOut(gradient, gradients.each.back().data());
      }
    }
    return gradients;
  });
}

std::vector<StateTensor> planModel(const ModelSpec& spec) {
  Store store;
  Weights weights(store, Weights::Phase::kDeclare);
  const Vae vae(weights, spec);
  makeObjective(weights, spec, vae);
  return tensorsOf(store);
}

}  // namespace torchvae
