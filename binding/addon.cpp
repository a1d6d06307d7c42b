// The addon's functions, as lib/runtime/addon.ts declares them. Each validates, copies its inputs, and queues
// one job.

#include <napi.h>

#include "convert.h"
#include "environment.h"
#include "handle.h"
#include "library.h"

namespace torchvae::binding {
namespace {

using Info = Napi::CallbackInfo;

ModelHandle& liveModel(const Info& info) {
  auto& handle = unwrapHandle<ModelHandle>(info[0]);
  if (!handle.model) throw toJavaScriptError(info.Env(), "ERR_STATE", "The model was disposed");
  return handle;
}

Napi::Object objectArgument(const Napi::Value& value) {
  if (!value.IsObject()) throw toJavaScriptError(value.Env(), "ERR_TYPE", "Expected an object");
  return value.As<Napi::Object>();
}

// Noise given as an array of one row an example, or as a seed.
struct OwnedNoise {
  std::shared_ptr<OwnedArray> values;
  uint64_t seed = 0;
  NoiseSource view() const { return {values ? values->floats() : nullptr, seed}; }
};

OwnedNoise toNoise(const Napi::Value& value, int64_t rows, int64_t codeSize) {
  if (value.IsNumber()) return {nullptr, static_cast<uint64_t>(value.As<Napi::Number>().Int64Value())};
  auto values = std::make_shared<OwnedArray>(toOwnedArray(value, codeSize));
  if (values->isUint8 || values->rows != rows) {
    throw toJavaScriptError(value.Env(), "ERR_SHAPE",
                            "Expected a Float32Array of one row an example for noise");
  }
  return {values, 0};
}

Napi::Array toArray(Napi::Env env, const std::vector<StateTensor>& tensors) {
  auto list = Napi::Array::New(env, tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    auto shape = Napi::Array::New(env);
    for (int64_t n : tensors[i].shape) shape.Set(shape.Length(), static_cast<double>(n));
    auto entry = Napi::Object::New(env);
    entry.Set("name", tensors[i].name);
    entry.Set("shape", shape);
    entry.Set("isTrained", tensors[i].isTrained);
    list.Set(static_cast<uint32_t>(i), entry);
  }
  return list;
}

using ArrayPair = std::pair<std::vector<float>, std::vector<float>>;

Napi::Value pairToObject(Napi::Env env, const ArrayPair& arrays, const char* first, const char* second) {
  auto object = Napi::Object::New(env);
  object.Set(first, toFloat32Array(env, arrays.first));
  object.Set(second, toFloat32Array(env, arrays.second));
  return object;
}

// open({ libtorch: string[], engine: string, cudaPart?: string }): EngineInfo
Napi::Value open(const Info& info) {
  const Napi::Object options = objectArgument(info[0]);
  LibraryPaths paths;
  const auto libraries = options.Get("libtorch").As<Napi::Array>();
  for (uint32_t i = 0; i < libraries.Length(); ++i) paths.libtorch.push_back(libraries.Get(i).ToString());
  paths.engine = stringProperty(options, "engine");
  if (options.Has("cudaPart")) paths.cudaPart = stringProperty(options, "cudaPart");
  return toObject(info.Env(), openEngine(paths).info());
}

// device(name: string, threads: number): Device
Napi::Value device(const Info& info) {
  const std::string name = info[0].ToString();
  return wrapHandle(info.Env(), DeviceHandle{engine().device(name, info[1].ToNumber().Int32Value())});
}

// plan(spec): { name: string, shape: number[], isTrained: boolean }[]; the tensors of a model, without making
// it.
Napi::Value plan(const Info& info) {
  return toArray(info.Env(), engine().plan(toModelSpec(objectArgument(info[0]))));
}

// createDataset(device, values, columns, isDrawn, labels?): Promise<Dataset>
Napi::Value createDataset(const Info& info) {
  auto device = unwrapHandle<DeviceHandle>(info[0]).device;
  auto values = std::make_shared<OwnedArray>(toOwnedArray(info[1], info[2].ToNumber().Int64Value()));
  values->isDrawn = info[3].ToBoolean();
  addLabels(*values, info[4]);
  const auto bytes = static_cast<int64_t>(values->storage.size());
  return Environment::of(info.Env())
      .promise(
          info.Env(), *device, nullptr, [device, values] { return device->createDataset(values->view()); },
          [device, bytes](Napi::Env env, std::shared_ptr<Dataset>& dataset) {
            return wrapHandle(env, DatasetHandle{device, std::move(dataset), bytes});
          });
}

// createModel(device, spec, seed, precision, reference): Promise<Model>
Napi::Value createModel(const Info& info) {
  auto device = unwrapHandle<DeviceHandle>(info[0]).device;
  const ModelSpec spec = toModelSpec(objectArgument(info[1]));
  const auto seed = static_cast<uint64_t>(info[2].ToNumber().Int64Value());
  const std::string precision = info[3].ToString();
  const bool reference = info[4].ToBoolean();
  return Environment::of(info.Env())
      .promise(
          info.Env(), *device, nullptr, [=] { return device->createModel(spec, seed, precision, reference); },
          [device, spec](Napi::Env env, std::shared_ptr<Model>& model) {
            int64_t bytes = 0;
            for (const StateTensor& tensor : model->stateTensors()) {
              int64_t count = sizeof(float);
              for (int64_t n : tensor.shape) count *= n;
              bytes += count;
            }
            ModelHandle handle;
            handle.device = device;
            handle.codeSize = model->codeSize();
            handle.model = std::move(model);
            handle.inputSize = spec.inputSize();
            handle.bytes = bytes;
            return wrapHandle(env, std::move(handle));
          });
}

// dispose(model | dataset): void; the memory is freed on the device's thread, after what is queued there.
Napi::Value dispose(const Info& info) {
  bool isModel = false;
  if (info[0].IsExternal()) napi_check_object_type_tag(info.Env(), info[0], &ModelHandle::kTag, &isModel);
  const auto release = [&](auto& handle, auto& held) {
    held.reset();
    Napi::MemoryManagement::AdjustExternalMemory(info.Env(), -handle.bytes);
    handle.bytes = 0;
  };
  if (isModel) {
    auto& handle = unwrapHandle<ModelHandle>(info[0]);
    handle.abort->store(true);
    release(handle, handle.model);
  } else {
    auto& handle = unwrapHandle<DatasetHandle>(info[0]);
    release(handle, handle.dataset);
  }
  return info.Env().Undefined();
}

// abort(model): void; ends the model's current train() or evaluate() at the next step.
Napi::Value abort(const Info& info) {
  unwrapHandle<ModelHandle>(info[0]).abort->store(true);
  return info.Env().Undefined();
}

// train(model, chunk): Promise<TrainResult>
Napi::Value train(const Info& info) {
  ModelHandle& handle = liveModel(info);
  const Napi::Object options = objectArgument(info[1]);
  TrainChunk chunk;
  chunk.data = unwrapHandle<DatasetHandle>(options.Get("data")).dataset;
  if (!chunk.data) throw toJavaScriptError(info.Env(), "ERR_STATE", "The data set was disposed");
  chunk.orderSeed = static_cast<uint64_t>(integerProperty(options, "orderSeed"));
  chunk.epoch = integerProperty(options, "epoch");
  chunk.firstStep = integerProperty(options, "firstStep");
  chunk.steps = integerProperty(options, "steps");
  chunk.batchSize = integerProperty(options, "batchSize");
  chunk.shuffle = booleanProperty(options, "shuffle");
  const Napi::Object sums = objectArgument(options.Get("sums"));
  chunk.sums = toLossSums(sums);
  chunk.schedule = toSchedule(options.Get("schedule"), chunk.steps);
  chunk.optimiser = toOptimiser(objectArgument(options.Get("optimiser")));
  chunk.observe = booleanProperty(options, "observe");
  const int64_t rows = chunk.data->rows();
  const int64_t batches = chunk.batchSize < 1 ? 0 : (rows + chunk.batchSize - 1) / chunk.batchSize;
  if (chunk.firstStep < 0 || chunk.steps < 0 || chunk.firstStep > batches ||
      chunk.steps > batches - chunk.firstStep) {
    throw toJavaScriptError(info.Env(), "ERR_RANGE", "Expected steps within one epoch of the data");
  }
  handle.abort->store(false);
  chunk.abort = handle.abort;
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, handle.abort, [model, chunk] { return model->train(chunk); },
          [](Napi::Env env, TrainResult& result) { return toObject(env, result); });
}

// evaluate(model, dataset, batchSize, seed): Promise<LossSums>
Napi::Value evaluate(const Info& info) {
  ModelHandle& handle = liveModel(info);
  auto data = unwrapHandle<DatasetHandle>(info[1]).dataset;
  if (!data) throw toJavaScriptError(info.Env(), "ERR_STATE", "The data set was disposed");
  const int64_t batchSize = info[2].ToNumber().Int64Value();
  if (batchSize < 1) throw toJavaScriptError(info.Env(), "ERR_RANGE", "Expected a positive batch size");
  const auto seed = static_cast<uint64_t>(info[3].ToNumber().Int64Value());
  handle.abort->store(false);
  auto model = handle.model;
  auto flag = handle.abort;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, flag, [=] { return model->evaluate(*data, batchSize, seed, *flag); },
          [](Napi::Env env, LossSums& sums) { return toObject(env, sums); });
}

// encode(model, x, labels?): Promise<{ mean, logVariance }>
Napi::Value encode(const Info& info) {
  ModelHandle& handle = liveModel(info);
  auto x = std::make_shared<OwnedArray>(toOwnedArray(info[1], handle.inputSize));
  addLabels(*x, info[2]);
  const auto count = static_cast<size_t>(x->rows * handle.codeSize);
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, nullptr,
          [=] {
            ArrayPair head{std::vector<float>(count), std::vector<float>(count)};
            model->encode(x->view(), head.first.data(), head.second.data());
            return head;
          },
          [](Napi::Env env, ArrayPair& head) { return pairToObject(env, head, "mean", "logVariance"); });
}

DecodeKind toDecodeKind(const Napi::Value& value) {
  const std::string name = value.ToString();
  if (name == "mean") return DecodeKind::kMean;
  if (name == "mode") return DecodeKind::kMode;
  if (name == "sample") return DecodeKind::kSample;
  throw toJavaScriptError(value.Env(), "ERR_RANGE", "Expected 'mean', 'mode' or 'sample' for kind");
}

// decode(model, z, kind, seed, labels?): Promise<Float32Array>
Napi::Value decode(const Info& info) {
  ModelHandle& handle = liveModel(info);
  auto z = std::make_shared<OwnedArray>(toOwnedArray(info[1], handle.codeSize));
  if (z->isUint8) throw toJavaScriptError(info.Env(), "ERR_TYPE", "Expected a Float32Array for z");
  const DecodeKind kind = toDecodeKind(info[2]);
  const auto seed = static_cast<uint64_t>(info[3].ToNumber().Int64Value());
  addLabels(*z, info[4]);
  const auto count = static_cast<size_t>(z->rows * handle.inputSize);
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, nullptr,
          [=] {
            std::vector<float> mean(count);
            model->decode(z->floats(), z->view().labels, z->rows, kind, seed, mean.data());
            return mean;
          },
          [](Napi::Env env, std::vector<float>& mean) { return toFloat32Array(env, mean); });
}

// samplePrior(model, rows, seed, labels?): Promise<Float32Array>
Napi::Value samplePrior(const Info& info) {
  ModelHandle& handle = liveModel(info);
  auto rows = std::make_shared<OwnedArray>();
  rows->rows = info[1].ToNumber().Int64Value();
  if (rows->rows < 1) throw toJavaScriptError(info.Env(), "ERR_RANGE", "Expected a positive number of rows");
  addLabels(*rows, info[3]);
  const auto seed = static_cast<uint64_t>(info[2].ToNumber().Int64Value());
  const auto count = static_cast<size_t>(rows->rows * handle.codeSize);
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, nullptr,
          [=] {
            std::vector<float> z(count);
            model->samplePrior(rows->view().labels, rows->rows, seed, z.data());
            return z;
          },
          [](Napi::Env env, std::vector<float>& z) { return toFloat32Array(env, z); });
}

// importance(model, x, samples, seed, labels?): Promise<Float32Array>, -log p(x) for each example
Napi::Value importance(const Info& info) {
  ModelHandle& handle = liveModel(info);
  auto x = std::make_shared<OwnedArray>(toOwnedArray(info[1], handle.inputSize));
  const int64_t samples = info[2].ToNumber().Int64Value();
  if (samples < 1) throw toJavaScriptError(info.Env(), "ERR_RANGE", "Expected a positive number of samples");
  const auto seed = static_cast<uint64_t>(info[3].ToNumber().Int64Value());
  addLabels(*x, info[4]);
  handle.abort->store(false);
  auto flag = handle.abort;
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, flag,
          [=] {
            std::vector<float> values(static_cast<size_t>(x->rows));
            model->importance(x->view(), samples, seed, *flag, values.data());
            return values;
          },
          [](Napi::Env env, std::vector<float>& values) { return toFloat32Array(env, values); });
}

// divergences(model, x, seed, labels?): Promise<{ values: Float32Array, groups: number }>, KL of each example
// and dimension
Napi::Value divergences(const Info& info) {
  ModelHandle& handle = liveModel(info);
  auto x = std::make_shared<OwnedArray>(toOwnedArray(info[1], handle.inputSize));
  const auto seed = static_cast<uint64_t>(info[2].ToNumber().Int64Value());
  addLabels(*x, info[3]);
  auto model = handle.model;
  using Result = std::pair<std::vector<float>, int64_t>;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, nullptr,
          [=] {
            Result result;
            result.first = model->divergences(x->view(), seed, result.second);
            return result;
          },
          [](Napi::Env env, Result& result) {
            auto object = Napi::Object::New(env);
            object.Set("values", toFloat32Array(env, result.first));
            object.Set("groups", static_cast<double>(result.second));
            return object;
          });
}

// latentStatistics(model, x, seed, labels?): Promise<{ meanVariance, divergence, mutualInformation }>
Napi::Value latentStatistics(const Info& info) {
  ModelHandle& handle = liveModel(info);
  auto x = std::make_shared<OwnedArray>(toOwnedArray(info[1], handle.inputSize));
  if (x->rows < 1) throw toJavaScriptError(info.Env(), "ERR_SHAPE", "Expected at least one example");
  const auto seed = static_cast<uint64_t>(info[2].ToNumber().Int64Value());
  addLabels(*x, info[3]);
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, nullptr, [=] { return model->latentStatistics(x->view(), seed); },
          [](Napi::Env env, LatentStatistics& statistics) {
            auto object = Napi::Object::New(env);
            object.Set("meanVariance", toFloat32Array(env, statistics.meanVariance));
            object.Set("divergence", toFloat32Array(env, statistics.divergence));
            object.Set("mutualInformation", statistics.mutualInformation);
            return object;
          });
}

// fitMixture(device, points, columns, components, iterations, seed):
// Promise<{ weights, means, factors, logLikelihood, iterations }>
Napi::Value fitMixture(const Info& info) {
  auto device = unwrapHandle<DeviceHandle>(info[0]).device;
  auto points = std::make_shared<OwnedArray>(toOwnedArray(info[1], info[2].ToNumber().Int64Value()));
  const int64_t components = info[3].ToNumber().Int64Value();
  const int64_t iterations = info[4].ToNumber().Int64Value();
  if (components < 1 || iterations < 1) {
    throw toJavaScriptError(info.Env(), "ERR_RANGE", "Expected positive components and iterations");
  }
  const auto seed = static_cast<uint64_t>(info[5].ToNumber().Int64Value());
  return Environment::of(info.Env())
      .promise(
          info.Env(), *device, nullptr,
          [=] { return device->fitMixture(points->view(), components, iterations, seed); },
          [](Napi::Env env, MixtureFit& fit) {
            auto object = Napi::Object::New(env);
            object.Set("weights", toFloat64Array(env, fit.weights));
            object.Set("means", toFloat64Array(env, fit.means));
            object.Set("factors", toFloat64Array(env, fit.factors));
            object.Set("logLikelihood", fit.logLikelihood);
            object.Set("iterations", static_cast<double>(fit.iterations));
            return object;
          });
}

// frechetDistance(device, a, b, columns, components): Promise<number>
Napi::Value frechetDistance(const Info& info) {
  auto device = unwrapHandle<DeviceHandle>(info[0]).device;
  const int64_t columns = info[3].ToNumber().Int64Value();
  auto a = std::make_shared<OwnedArray>(toOwnedArray(info[1], columns));
  auto b = std::make_shared<OwnedArray>(toOwnedArray(info[2], columns));
  const int64_t components = info[4].ToNumber().Int64Value();
  return Environment::of(info.Env())
      .promise(
          info.Env(), *device, nullptr,
          [=] { return device->frechetDistance(a->view(), b->view(), components); },
          [](Napi::Env env, double& distance) { return Napi::Number::New(env, distance); });
}

// losses(model, x, noise | seed, labels?): Promise<{ reconstruction, kl }>
Napi::Value losses(const Info& info) {
  ModelHandle& handle = liveModel(info);
  auto x = std::make_shared<OwnedArray>(toOwnedArray(info[1], handle.inputSize));
  const OwnedNoise noise = toNoise(info[2], x->rows, handle.codeSize);
  addLabels(*x, info[3]);
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, nullptr,
          [=] {
            const auto count = static_cast<size_t>(x->rows);
            ArrayPair terms{std::vector<float>(count), std::vector<float>(count)};
            model->losses(x->view(), noise.view(), terms.first.data(), terms.second.data());
            return terms;
          },
          [](Napi::Env env, ArrayPair& terms) { return pairToObject(env, terms, "reconstruction", "kl"); });
}

// gradients(model, x, noise | seed, schedule of one step, labels?):
//   Promise<LossSums & { loss: number, gradients: Float32Array[] }>
Napi::Value gradients(const Info& info) {
  ModelHandle& handle = liveModel(info);
  auto x = std::make_shared<OwnedArray>(toOwnedArray(info[1], handle.inputSize));
  if (x->rows < 1) throw toJavaScriptError(info.Env(), "ERR_SHAPE", "Expected at least one example");
  const OwnedNoise noise = toNoise(info[2], x->rows, handle.codeSize);
  const StepSchedule schedule = toSchedule(info[3], 1).front();
  addLabels(*x, info[4]);
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, nullptr,
          [=] { return model->gradients(x->view(), noise.view(), schedule); },
          [](Napi::Env env, Gradients& result) {
            auto object = toObject(env, result.sums).As<Napi::Object>();
            auto arrays = Napi::Array::New(env, result.each.size());
            for (size_t i = 0; i < result.each.size(); ++i) {
              arrays.Set(static_cast<uint32_t>(i), toFloat32Array(env, result.each[i]));
            }
            object.Set("loss", result.loss);
            object.Set("gradients", arrays);
            return object;
          });
}

// stateTensors(model): { name: string, shape: number[], isTrained: boolean }[]
Napi::Value stateTensors(const Info& info) {
  return toArray(info.Env(), liveModel(info).model->stateTensors());
}

// termNames(model): string[]; of the terms that the losses' sums have beside reconstruction and kl
Napi::Value termNames(const Info& info) {
  auto list = Napi::Array::New(info.Env());
  for (const std::string& name : liveModel(info).model->termNames()) list.Set(list.Length(), name);
  return list;
}

// readState(model): Promise<{ step: number, tensors: Float32Array[] }>, in stateTensors() order
Napi::Value readState(const Info& info) {
  ModelHandle& handle = liveModel(info);
  auto model = handle.model;
  using Result = std::pair<int64_t, std::vector<std::vector<float>>>;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, nullptr,
          [model] {
            Result result{model->step(), {}};
            for (const StateTensor& tensor : model->stateTensors()) {
              result.second.push_back(model->readState(tensor.name));
            }
            return result;
          },
          [](Napi::Env env, Result& result) {
            auto tensors = Napi::Array::New(env, result.second.size());
            for (size_t i = 0; i < result.second.size(); ++i) {
              tensors.Set(static_cast<uint32_t>(i), toFloat32Array(env, result.second[i]));
            }
            auto object = Napi::Object::New(env);
            object.Set("step", static_cast<double>(result.first));
            object.Set("tensors", tensors);
            return object;
          });
}

// writeState(model, { step, tensors: { name: Float32Array } }): Promise<void>; tensors that are not named
// stay.
Napi::Value writeState(const Info& info) {
  ModelHandle& handle = liveModel(info);
  const Napi::Object state = objectArgument(info[1]);
  const int64_t step = integerProperty(state, "step");
  auto tensors = std::make_shared<std::vector<std::pair<std::string, OwnedArray>>>();
  const auto named = state.Get("tensors").As<Napi::Object>();
  const Napi::Array names = named.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).ToString();
    OwnedArray values = toOwnedArray(named.Get(name), 1);
    if (values.isUint8)
      throw toJavaScriptError(info.Env(), "ERR_TYPE", "Expected a Float32Array for " + name);
    tensors->emplace_back(name, std::move(values));
  }
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, nullptr,
          [=] {
            for (const auto& [name, values] : *tensors) model->writeState(name, values.floats(), values.rows);
            model->setStep(step);
            return true;
          },
          [](Napi::Env env, bool&) { return env.Undefined(); });
}

}  // namespace

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Environment(env));
  exports.Set("version", TORCHVAE_VERSION);
  const auto add = [&](const char* name, Napi::Value (*function)(const Info&)) {
    const auto safe = [function](const Info& info) {
      return guarded(info.Env(), [&] { return function(info); });
    };
    exports.Set(name, Napi::Function::New(env, safe, name));
  };
  add("open", open);
  add("device", device);
  add("plan", plan);
  add("createDataset", createDataset);
  add("createModel", createModel);
  add("dispose", dispose);
  add("abort", abort);
  add("train", train);
  add("evaluate", evaluate);
  add("encode", encode);
  add("decode", decode);
  add("samplePrior", samplePrior);
  add("importance", importance);
  add("divergences", divergences);
  add("latentStatistics", latentStatistics);
  add("fitMixture", fitMixture);
  add("frechetDistance", frechetDistance);
  add("losses", losses);
  add("gradients", gradients);
  add("stateTensors", stateTensors);
  add("termNames", termNames);
  add("readState", readState);
  add("writeState", writeState);
  return exports;
}

NODE_API_MODULE(torchvae, initialise)

}  // namespace torchvae::binding
