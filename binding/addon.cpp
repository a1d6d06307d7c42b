// The addon's functions, as lib/runtime/native.ts declares them. Each validates, copies its inputs, and
// queues one job. Here are those that make, train, keep and end models; questions.cpp has those that ask
// them.

#include <napi.h>

#include "arguments.h"
#include "convert.h"
#include "environment.h"
#include "handle.h"
#include "library.h"
#include "questions.h"

namespace torchvae::binding {
namespace {

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
  addQuestions(add);
  add("stateTensors", stateTensors);
  add("termNames", termNames);
  add("readState", readState);
  add("writeState", writeState);
  return exports;
}

NODE_API_MODULE(torchvae, initialise)

}  // namespace torchvae::binding
