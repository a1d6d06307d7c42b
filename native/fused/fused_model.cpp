#include "fused/fused_model.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "host.h"
#include "train/loop.h"
#include "train/observer.h"
#include "train/step.h"

namespace torchvae::fused {

bool isFusable(const Context& context, const ModelSpec& spec) {
  // The CPU's convolutions are of one channel's images. Of several channels, both networks must have the
  // pixels in one order.
  const bool alike = spec.encoder.type == spec.decoder.type && context.kernels != nullptr;
  const bool takesImages = spec.inputShape.size() == 3 && (spec.inputShape[0] == 1 || alike);
  const auto plainNetwork = [&](const NetworkSpec& network) {
    const bool hasKernels = network.type == "mlp" || (network.type == "conv" && takesImages);
    return hasKernels && network.norm == NormKind::kNone && network.dropout == 0 &&
           network.activation <= ActivationKind::kSoftplus;
  };
  // A device's kernel takes a bounded number of ranges of gradients, two for each layer.
  const size_t layers = std::max(spec.encoder.hidden.size(), spec.encoder.channels.size()) +
                        std::max(spec.decoder.hidden.size(), spec.decoder.channels.size()) + 2;
  const bool fewLayers = context.kernels == nullptr || 2 * layers <= kernels::kMaxRanges;
  const PartSpec& likelihood = spec.likelihood;
  const bool fusedLikelihood = likelihood.type == "bernoulli" || likelihood.type == "squared-error" ||
                               (likelihood.type == "gaussian" && likelihood.word("scale") == "fixed");
  const bool plainObjective = spec.objective.type == "elbo" && spec.objective.number("freeBits") == 0 &&
                              !spec.objective.flag("hasCapacity");
  return fewLayers && plainNetwork(spec.encoder) && plainNetwork(spec.decoder) &&
         spec.posterior.type == "gaussian" && spec.prior.type == "standard-normal" && fusedLikelihood &&
         plainObjective && spec.condition.classes == 0;
}

FusedModel::FusedModel(const Context& context, const ModelSpec& spec, uint64_t seed)
    : VaeModel(context, spec, seed, [&](Parameters& parameters) { declareVae(parameters, spec); }) {
  // The same declarations give the same places.
  Parameters same(context.panels());
  plan_ = declareVae(same, spec);
}

Vae& FusedModel::trainingPass(int64_t capacity) {
  store_.model.freshenRounded(context_);
  if (!training_ || training_->capacity() != capacity) {
    executor_.reset();
    training_.reset();
    training_ = std::make_unique<Vae>(context_, store_.model, plan_, spec_, capacity, true);
  }
  return *training_;
}

Vae& FusedModel::evaluationPass(int64_t capacity) {
  store_.model.freshenRounded(context_);
  if (!evaluation_ || evaluation_->capacity() < capacity) {
    evaluation_ = std::make_unique<Vae>(context_, store_.model, plan_, spec_, capacity, false);
  }
  return *evaluation_;
}

// With a multilayer perceptron of one hidden layer on each side, 20 kernels:
//   load; 4 products forward with bias and relu, reparameterization, loss with its gradient; 3 products and 2
//   slopes backward, the posterior's derivative; 4 products for the weights; the biases' gradients with the
//   judgement; the update with the sums and the counters.
// (A library may split a product in two.)
class FusedModel::CapturedStep : public DeviceStep {
 public:
  CapturedStep(FusedModel& model, Vae& vae, const OptimizerSettings& settings)
      : model_(model), vae_(vae), settings_(settings) {}

  void differentiate(const StepInput& input) override {
    forwardAndBackward(model_.context_, vae_, input, model_.seed_, 0);
    vae_.finishGradients(model_.store_.model, input.rows, settings_, input.clock->state());
  }

  void update(const StepInput& input) override {
    vae_.optimize(model_.store_.model, input.rows, settings_, input.clock->state(), input.clock->rows());
  }

  std::vector<std::string> faults(const StepInput& input, int64_t step) override {
    forwardAndBackward(model_.context_, vae_, input, model_.seed_, step);
    vae_.weightGradients(model_.store_.model, input.rows);
    LossSums sums;
    addLosses(model_.context_, vae_, input.rows, sums);
    return faultsOf({}, sums, model_.store_.model);
  }

 private:
  FusedModel& model_;
  Vae& vae_;
  OptimizerSettings settings_;
};

TrainResult FusedModel::train(const TrainChunk& chunk) {
  return computed([&] {
    const auto& data = static_cast<const ResidentDataset&>(*chunk.data);
    Vae& vae = trainingPass(std::min(chunk.batchSize, data.rows()));
    const at::Tensor& order = orderOf(chunk);
    if (GraphExecutor::serves(context_, chunk.optimizer)) {
      return replay(chunk, [&] { return std::make_unique<CapturedStep>(*this, vae, chunk.optimizer); });
    }
    StepObserver observer(store_.model);
    std::vector<std::string> faults;
    TrainResult result = runLoop(chunk, data.rows(), step_, [&](const Batch& batch, LossSums& sums) {
      const LossSums before = sums;
      const StepInput input{data, order, batch.first, batch.rows, batch.schedule, {}};
      forwardAndBackward(context_, vae, input, seed_, batch.noise);
      addLosses(context_, vae, batch.rows, sums);
      const auto refuse = [&] {
        if (faults.empty()) {
          vae.weightGradients(store_.model, batch.rows);
          faults = faultsOf(before, sums, store_.model);
        }
        return false;
      };
      if (!std::isfinite(sums.reconstruction) || !std::isfinite(sums.kl)) return refuse();
      if (batch.isObserved) {
        vae.weightGradients(store_.model, batch.rows);
        observer.begin();
      }
      const UpdateOutcome outcome = update(context_, vae, store_.model, batch.rows, chunk.optimizer,
                                           batch.schedule.learningRate, step_ + 1, batch.group);
      if (outcome == UpdateOutcome::kNonFinite) return refuse();
      if (batch.isObserved) observer.end();
      return true;
    });
    result.norms = observer.take();
    result.faults = std::move(faults);
    return result;
  });
}

LossSums FusedModel::evaluate(Dataset& data, int64_t batchSize, uint64_t noiseSeed,
                              const std::atomic<bool>& abort) {
  return computed([&] {
    const auto& resident = static_cast<const ResidentDataset&>(data);
    const int64_t capacity = std::min(batchSize, data.rows());
    Vae& vae = evaluationPass(capacity);
    const at::Tensor order =
        at::arange(data.rows(), c10::TensorOptions().dtype(c10::kLong).device(context_.device));
    LossSums sums;
    at::Tensor onDevice;  // sums that are read once, at the end
    if (context_.kernels != nullptr) {
      onDevice = at::zeros({2}, c10::TensorOptions().dtype(c10::kDouble).device(context_.device));
    }
    int64_t batch = 0;
    for (int64_t first = 0; first < data.rows() && !abort.load(); first += capacity, ++batch) {
      const int64_t rows = std::min(capacity, data.rows() - first);
      loadBatch(context_, vae, {resident, order, first, rows, {}, {}}, noiseSeed, batch);
      vae.encode(rows);
      vae.sample(rows);
      vae.decode(rows);
      vae.reconstruct(rows, false);
      if (onDevice.defined()) {
        context_.kernels->addLosses(vae.reconstruction, vae.kl, rows, onDevice);
        sums.examples += rows;
      } else {
        addLosses(context_, vae, rows, sums);
      }
    }
    if (onDevice.defined()) {
      const at::Tensor read = onDevice.cpu();
      sums.reconstruction = read.const_data_ptr<double>()[0];
      sums.kl = read.const_data_ptr<double>()[1];
    }
    return sums;
  });
}

void FusedModel::load(Vae& vae, const HostArray& x, const NoiseSource& noise, int64_t first,
                      int64_t rows) const {
  const at::Tensor host = hostRows(x, first, rows);
  at::Tensor target = vae.x.value.narrow(0, 0, rows);
  const int64_t channels = vae.channels;
  const int64_t pixels = x.columns / channels;
  target.view({rows, pixels, channels}).copy_(host.view({rows, channels, pixels}).transpose(1, 2));
  if (x.isUint8) target.div_(255);
  if (context_.tiled()) vae.x.finishRows(0, rows);
  if (noise.values != nullptr) {
    float* values = const_cast<float*>(noise.values) + first * spec_.latentSize;
    vae.noise.narrow(0, 0, rows).copy_(at::from_blob(values, {rows, spec_.latentSize}, kHostFloat));
  } else {
    drawNoise(context_, noise.seed, first, rows, vae.noise);
  }
}

void FusedModel::encode(const HostArray& x, float* mean, float* logVariance) {
  computed([&] {
    const int64_t latent = spec_.latentSize;
    Vae& vae = evaluationPass(std::min(kEvaluationRows, x.rows));
    forStretches(x.rows, kEvaluationRows, [&](int64_t first, int64_t rows) {
      load(vae, x, {}, first, rows);
      vae.encode(rows);
      const at::Tensor head = vae.head().narrow(0, 0, rows);
      copyOut(head.narrow(1, 0, latent), mean + first * latent);
      copyOut(head.narrow(1, latent, latent), logVariance + first * latent);
    });
  });
}

void FusedModel::losses(const HostArray& x, const NoiseSource& noise, float* reconstruction, float* kl) {
  computed([&] {
    Vae& vae = evaluationPass(std::min(kEvaluationRows, x.rows));
    forStretches(x.rows, kEvaluationRows, [&](int64_t first, int64_t rows) {
      load(vae, x, noise, first, rows);
      vae.encode(rows);
      vae.sample(rows);
      vae.decode(rows);
      vae.reconstruct(rows, false);
      copyOut(vae.reconstruction.narrow(0, 0, rows), reconstruction + first);
      copyOut(vae.kl.narrow(0, 0, rows), kl + first);
    });
  });
}

Gradients FusedModel::gradients(const HostArray& x, const NoiseSource& noise, const StepSchedule& schedule) {
  return computed([&] {
    store_.model.freshenRounded(context_);
    Vae vae(context_, store_.model, plan_, spec_, x.rows, true);
    load(vae, x, noise, 0, x.rows);
    vae.encode(x.rows);
    vae.sample(x.rows);
    vae.decode(x.rows);
    vae.reconstruct(x.rows, true);
    vae.backward(x.rows, schedule.beta);
    vae.weightGradients(store_.model, x.rows);
    Gradients gradients;
    for (const ParameterEntry& entry : store_.model.entries()) {
      const at::Tensor gradient = store_.model.gradient(entry.slot);
      gradients.each.emplace_back(static_cast<size_t>(gradient.numel()));
      copyOut(gradient, gradients.each.back().data());
    }
    LossSums& sums = gradients.sums;
    addLosses(context_, vae, x.rows, sums);
    gradients.loss = (sums.reconstruction + schedule.beta * sums.kl) / static_cast<double>(x.rows);
    return gradients;
  });
}

}  // namespace torchvae::fused
