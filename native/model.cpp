#include "model.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>

#include "random/philox.h"
#include "train/loop.h"
#include "translate.h"

namespace torchvae {
namespace {

// Examples that methods other than train() take at a time.
constexpr int64_t kEvaluationRows = 256;

const c10::TensorOptions kHostFloat = c10::TensorOptions().dtype(c10::kFloat);

void copyOut(const at::Tensor& tensor, float* to) {
  at::from_blob(to, tensor.sizes(), kHostFloat).copy_(tensor);
}

// Calls body(first, rows) for stretches of at most kEvaluationRows.
template <class Body>
void forStretches(int64_t total, const Body& body) {
  for (int64_t first = 0; first < total; first += kEvaluationRows)
    body(first, std::min(kEvaluationRows, total - first));
}

}  // namespace

VaeModel::VaeModel(const Context& context, const ModelSpec& spec, uint64_t seed)
    : context_(context), spec_(spec), seed_(seed) {
  plan_ = declareVae(parameters_, spec_);
  parameters_.allocate(context_, seed);
}

Vae& VaeModel::trainingPass(int64_t capacity) {
  parameters_.freshenRounded(context_);
  if (!training_ || training_->capacity() != capacity) {
    training_.reset();
    training_ = std::make_unique<Vae>(context_, parameters_, plan_, spec_, capacity, true);
  }
  return *training_;
}

Vae& VaeModel::evaluationPass(int64_t capacity) {
  parameters_.freshenRounded(context_);
  if (!evaluation_ || evaluation_->capacity() < capacity) {
    evaluation_ = std::make_unique<Vae>(context_, parameters_, plan_, spec_, capacity, false);
  }
  return *evaluation_;
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

std::vector<float> VaeModel::readState(const std::string& name) const {
  return translated([&] {
    const at::Tensor tensor = parameters_.state(name);
    std::vector<float> values(static_cast<size_t>(tensor.numel()));
    copyOut(tensor, values.data());
    return values;
  });
}

void VaeModel::writeState(const std::string& name, const float* values, int64_t count) {
  translated([&] {
    if (Parameters::isAverage(name)) parameters_.keepAverage(context_);
    at::Tensor tensor = parameters_.state(name);
    if (tensor.numel() != count) {
      throw Error("ERR_CHECKPOINT", "The model's tensor " + name + " has " + std::to_string(tensor.numel()) +
                                        " values but received " + std::to_string(count));
    }
    tensor.copy_(at::from_blob(const_cast<float*>(values), tensor.sizes(), kHostFloat));
    parameters_.roundedStale = parameters_.roundedWeights.defined();
  });
}

TrainResult VaeModel::train(const TrainChunk& chunk) {
  return translated([&] {
    const auto& data = static_cast<const ResidentDataset&>(*chunk.data);
    Vae& vae = trainingPass(std::min(chunk.batchSize, data.rows()));
    return runLoop(context_, vae, parameters_, chunk, data, orderOf(chunk), seed_, step_);
  });
}

LossSums VaeModel::evaluate(Dataset& data, int64_t batchSize, uint64_t noiseSeed,
                            const std::atomic<bool>& abort) {
  return translated([&] {
    const auto& resident = static_cast<const ResidentDataset&>(data);
    const int64_t capacity = std::min(batchSize, data.rows());
    Vae& vae = evaluationPass(capacity);
    const at::Tensor order =
        at::arange(data.rows(), c10::TensorOptions().dtype(c10::kLong).device(context_.device));
    LossSums sums;
    int64_t batch = 0;
    for (int64_t first = 0; first < data.rows() && !abort.load(); first += capacity, ++batch) {
      const int64_t rows = std::min(capacity, data.rows() - first);
      resident.gather(context_, order, first, rows, vae.x);
      drawNoise(context_, noiseSeed, batch, rows, vae.noise);
      vae.encode(rows);
      vae.sample(rows);
      vae.decode(rows);
      vae.reconstruct(rows, false);
      addLosses(context_, vae, rows, sums);
    }
    return sums;
  });
}

void VaeModel::load(Vae& vae, const HostArray& x, const NoiseSource& noise, int64_t first,
                    int64_t rows) const {
  const auto* bytes = static_cast<const uint8_t*>(x.data);
  const int64_t width = x.columns * (x.isUint8 ? 1 : static_cast<int64_t>(sizeof(float)));
  const at::Tensor host = at::from_blob(const_cast<uint8_t*>(bytes + first * width), {rows, x.columns},
                                        c10::TensorOptions().dtype(x.isUint8 ? c10::kByte : c10::kFloat));
  at::Tensor target = vae.x.value.narrow(0, 0, rows);
  target.copy_(host);
  if (x.isUint8) target.div_(255);
  if (context_.tiled()) vae.x.finishRows(0, rows);
  if (noise.values != nullptr) {
    float* values = const_cast<float*>(noise.values) + first * spec_.latentSize;
    vae.noise.narrow(0, 0, rows).copy_(at::from_blob(values, {rows, spec_.latentSize}, kHostFloat));
  } else {
    drawNoise(context_, noise.seed, first, rows, vae.noise);
  }
}

void VaeModel::encode(const HostArray& x, float* mean, float* logVariance) {
  translated([&] {
    const int64_t latent = spec_.latentSize;
    Vae& vae = evaluationPass(std::min(kEvaluationRows, x.rows));
    forStretches(x.rows, [&](int64_t first, int64_t rows) {
      load(vae, x, {}, first, rows);
      vae.encode(rows);
      const at::Tensor head = vae.head().narrow(0, 0, rows);
      copyOut(head.narrow(1, 0, latent), mean + first * latent);
      copyOut(head.narrow(1, latent, latent), logVariance + first * latent);
    });
  });
}

void VaeModel::decode(const float* z, int64_t total, float* mean) {
  translated([&] {
    Vae& vae = evaluationPass(std::min(kEvaluationRows, total));
    forStretches(total, [&](int64_t first, int64_t rows) {
      float* from = const_cast<float*>(z) + first * spec_.latentSize;
      vae.z.value.narrow(0, 0, rows).copy_(at::from_blob(from, {rows, spec_.latentSize}, kHostFloat));
      if (context_.tiled()) vae.z.finishRows(0, rows);
      vae.decode(rows);
      copyOut(vae.decodedMean(rows), mean + first * spec_.inputSize());
    });
  });
}

void VaeModel::samplePrior(int64_t rows, uint64_t seed, float* z) {
  fillNormal({seed, Stream::kPrior, 0}, z, rows * spec_.latentSize);
}

void VaeModel::losses(const HostArray& x, const NoiseSource& noise, float* reconstruction, float* kl) {
  translated([&] {
    Vae& vae = evaluationPass(std::min(kEvaluationRows, x.rows));
    forStretches(x.rows, [&](int64_t first, int64_t rows) {
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

LossSums VaeModel::gradients(const HostArray& x, const NoiseSource& noise, double beta,
                             std::vector<std::vector<float>>& gradients) {
  return translated([&] {
    parameters_.freshenRounded(context_);
    Vae vae(context_, parameters_, plan_, spec_, x.rows, true);
    load(vae, x, noise, 0, x.rows);
    vae.encode(x.rows);
    vae.sample(x.rows);
    vae.decode(x.rows);
    vae.reconstruct(x.rows, true);
    vae.backward(x.rows, beta);
    vae.weightGradients(parameters_, x.rows);
    gradients.clear();
    for (const ParameterEntry& entry : parameters_.entries()) {
      const at::Tensor gradient = parameters_.gradient(entry.slot);
      gradients.emplace_back(static_cast<size_t>(gradient.numel()));
      copyOut(gradient, gradients.back().data());
    }
    LossSums sums;
    addLosses(context_, vae, x.rows, sums);
    return sums;
  });
}

}  // namespace torchvae
