// The addon's functions, as lib/runtime/native.ts declares them. Each validates, copies its inputs, and
// queues one job. Here are those that make, train, keep and end models; questions.cpp has those that ask
// them.

#include <napi.h>

#include <algorithm>

#include "arguments.h"
#include "convert.h"
#include "environment.h"
#include "handle.h"
#include "library.h"
#include "questions.h"
#include "ranks.h"

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

constexpr uint32_t kMostLibraries = 100;
// A thread costs a stack: a typing mistake shall not ask for millions.
constexpr int64_t kMostThreads = 1024;

// open({ libtorch: string[], engine: string, cudaPart?: string, programs?: string }): EngineInfo
Napi::Value open(const Info& info) {
  const Napi::Object options = objectArgument(info[0]);
  LibraryPaths paths;
  const Napi::Array libraries = arrayProperty(options, "libtorch", kMostLibraries);
  const uint32_t length = libraries.Length();
  for (uint32_t i = 0; i < length; ++i) paths.libtorch.push_back(toText(libraries.Get(i), "libtorch"));
  paths.engine = stringProperty(options, "engine");
  if (options.Has("cudaPart")) paths.cudaPart = stringProperty(options, "cudaPart");
  if (options.Has("programs")) paths.programs = stringProperty(options, "programs");
  return toObject(info.Env(), openEngine(paths).info());
}

// device(name: string, threads: number): Device
Napi::Value device(const Info& info) {
  const std::string name = stringArgument(info, 0, "name");
  const int64_t threads = integerArgument(info, 1, "threads", 0, kMostThreads);
  const bool isHost = name.rfind("cpu", 0) == 0;
  return wrapHandle(info.Env(), DeviceHandle{engine().device(name, static_cast<int>(threads)), isHost});
}

// plan(spec): { name: string, shape: number[], isTrained: boolean }[]; the tensors of a model, without making
// it.
Napi::Value plan(const Info& info) {
  return toArray(info.Env(), engine().plan(toModelSpec(objectArgument(info[0]))));
}

// createDataset(device, values, columns, isDrawn, labels?): Promise<Dataset>
Napi::Value createDataset(const Info& info) {
  const auto device = unwrapHandle<DeviceHandle>(info[0]).device;
  const bool isHost = unwrapHandle<DeviceHandle>(info[0]).isHost;
  const int64_t columns = integerArgument(info, 2, "columns", 1, kMostWidth);
  auto values = std::make_shared<OwnedArray>(toOwnedArray(info[1], columns));
  values->isDrawn = booleanArgument(info, 3, "isDrawn");
  addLabels(*values, info[4]);
  const auto bytes = static_cast<int64_t>(values->storage.size() + sizeof(int64_t) * values->labels.size());
  return Environment::of(info.Env())
      .promise(
          info.Env(), *device, nullptr, [device, values] { return device->createDataset(values->view()); },
          [=](Napi::Env env, std::shared_ptr<Dataset>& dataset) {
            return wrapHandle(env, DatasetHandle{device, isHost, std::move(dataset), columns, bytes});
          });
}

// createModel(device, spec, seed, precision, reference): Promise<Model>
Napi::Value createModel(const Info& info) {
  const auto device = unwrapHandle<DeviceHandle>(info[0]).device;
  const bool isHost = unwrapHandle<DeviceHandle>(info[0]).isHost;
  const ModelSpec spec = toModelSpec(objectArgument(info[1]));
  const uint64_t seed = seedArgument(info, 2);
  const std::string precision = stringArgument(info, 3, "precision");
  const bool reference = booleanArgument(info, 4, "reference");
  return Environment::of(info.Env())
      .promise(
          info.Env(), *device, nullptr, [=] { return device->createModel(spec, seed, precision, reference); },
          [device, isHost, spec](Napi::Env env, std::shared_ptr<Model>& model) {
            int64_t bytes = 0;
            for (const StateTensor& tensor : model->stateTensors()) {
              int64_t count = sizeof(float);
              for (int64_t n : tensor.shape) count *= n;
              bytes += count;
            }
            ModelHandle handle;
            handle.device = device;
            handle.onHost = isHost;
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
    handle.calls->raise();
    handle.ending->store(true);
    release(handle, handle.model);
  } else {
    auto& handle = unwrapHandle<DatasetHandle>(info[0]);
    release(handle, handle.dataset);
  }
  return info.Env().Undefined();
}

// abort(model): void; ends the train() and evaluate() calls of the model that are under way, at their next
// step.
Napi::Value abort(const Info& info) {
  unwrapHandle<ModelHandle>(info[0]).calls->raise();
  return info.Env().Undefined();
}

// A chunk that this model is to be trained on.
TrainChunk toChunk(const Napi::Object& options, const ModelHandle& handle) {
  TrainChunk chunk;
  chunk.data = liveDataset(options.Get("data"), handle).dataset;
  chunk.orderSeed = static_cast<uint64_t>(integerProperty(options, "orderSeed", 0, kMostInteger));
  chunk.epoch = integerProperty(options, "epoch", 0, kMostInteger);
  chunk.batchSize = integerProperty(options, "batchSize", 1, kMostRows);
  const int64_t batches = (chunk.data->rows() + chunk.batchSize - 1) / chunk.batchSize;
  chunk.firstStep = integerProperty(options, "firstStep", 0, batches);
  chunk.steps = integerProperty(options, "steps", 0, batches - chunk.firstStep);
  chunk.shuffle = booleanProperty(options, "shuffle");
  const Napi::Object sums = objectArgument(options.Get("sums"));
  chunk.sums = toLossSums(sums);
  chunk.schedule = toSchedule(options.Get("schedule"), chunk.steps);
  chunk.optimizer = toOptimizer(objectArgument(options.Get("optimizer")));
  chunk.observe = booleanProperty(options, "observe");
  chunk.ranks = optionalRanks(options.Get("ranks"));
  chunk.abort = handle.calls->begin();
  return chunk;
}

// train(model, chunk): Promise<TrainResult>
Napi::Value train(const Info& info) {
  const ModelHandle handle = liveModel(info);
  const TrainChunk chunk = toChunk(objectArgument(info[1]), handle);
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, chunk.abort, [model, chunk] { return model->train(chunk); },
          [](Napi::Env env, TrainResult& result) { return toObject(env, result); });
}

// The result, or the Error that came in its place.
Napi::Value resultOf(Napi::Env env, const TrainOutcome& outcome) {
  if (!outcome.error) return toObject(env, outcome.result);
  return toJavaScriptError(env, outcome.error->code(), outcome.error->what()).Value();
}

// As large as any population, with room for what is trained beside it.
constexpr uint32_t kMostTogether = 1 << 16;

// trainTogether({ models of one device, chunks: one for each }): Promise<(TrainResult | Error)[]>
Napi::Value trainTogether(const Info& info) {
  const Napi::Object options = objectArgument(info[0]);
  const Napi::Array handles = arrayProperty(options, "models", kMostTogether);
  const Napi::Array each = arrayProperty(options, "chunks", kMostTogether);
  const uint32_t count = handles.Length();
  if (count == 0 || each.Length() != count)
    throw toJavaScriptError(info.Env(), "ERR_TYPE", "Expected models and a chunk for each");
  std::vector<std::shared_ptr<Model>> models;
  std::vector<TrainChunk> chunks;
  std::shared_ptr<Device> device;
  for (uint32_t i = 0; i < count; ++i) {
    const ModelHandle handle = liveModel(handles.Get(i));
    const bool isKnown = std::find(models.begin(), models.end(), handle.model) != models.end();
    if (isKnown || (device != nullptr && handle.device != device))
      throw toJavaScriptError(info.Env(), "ERR_TYPE", "Expected different models of one device");
    device = handle.device;
    chunks.push_back(toChunk(objectArgument(each.Get(i)), handle));
    models.push_back(handle.model);
  }
  return Environment::of(info.Env())
      .promise(
          info.Env(), *device, nullptr, [device, models, chunks] { return device->train(models, chunks); },
          [](Napi::Env env, std::vector<TrainOutcome>& outcomes) {
            Napi::Array all = Napi::Array::New(env, outcomes.size());
            for (uint32_t i = 0; i < outcomes.size(); ++i) all.Set(i, resultOf(env, outcomes[i]));
            return all;
          });
}

// evaluate(model, dataset, batchSize, seed, schedule of one step, ranks?): Promise<LossSums>
Napi::Value evaluate(const Info& info) {
  const ModelHandle handle = liveModel(info);
  auto data = liveDataset(info[1], handle).dataset;
  const int64_t batchSize = integerArgument(info, 2, "batchSize", 1, kMostRows);
  const uint64_t seed = seedArgument(info, 3);
  const StepSchedule schedule = toSchedule(info[4], 1).front();
  const std::shared_ptr<Ranks> ranks = optionalRanks(info[5]);
  auto model = handle.model;
  const AbortFlag flag = handle.calls->begin();
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, flag,
          [=] { return model->evaluate(*data, batchSize, seed, schedule, *flag, ranks.get()); },
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

// kernels(model): { isFused: boolean, reason: string }
Napi::Value kernels(const Info& info) {
  const KernelChoice choice = liveModel(info).model->kernels();
  auto object = Napi::Object::New(info.Env());
  object.Set("isFused", choice.isFused);
  object.Set("reason", choice.reason);
  return object;
}

// readState(model): Promise<{ step: number, tensors: (Float32Array | Float64Array)[] }>, in stateTensors()
// order
Napi::Value readState(const Info& info) {
  const ModelHandle handle = liveModel(info);
  auto model = handle.model;
  using Result = std::pair<int64_t, std::vector<StateValues>>;
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
              tensors.Set(static_cast<uint32_t>(i), toTypedValues(env, result.second[i]));
            }
            auto object = Napi::Object::New(env);
            object.Set("step", static_cast<double>(result.first));
            object.Set("tensors", tensors);
            return object;
          });
}

// writeState(model, { step, tensors: { name: Float32Array | Float64Array } }): Promise<void>; tensors that
// are not named stay.
Napi::Value writeState(const Info& info) {
  const ModelHandle handle = liveModel(info);
  const Napi::Object state = objectArgument(info[1]);
  const int64_t step = integerProperty(state, "step", 0, kMostInteger);
  auto tensors = std::make_shared<std::vector<std::pair<std::string, StateValues>>>();
  const Napi::Object named = objectArgument(state.Get("tensors"));
  const Napi::Array names = named.GetPropertyNames();
  const uint32_t length = names.Length();
  for (uint32_t i = 0; i < length; ++i) {
    const std::string name = names.Get(i).ToString();
    tensors->emplace_back(name, toStateValues(named.Get(name), name.c_str()));
  }
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, nullptr,
          [=] {
            for (const auto& [name, values] : *tensors) model->writeState(name, values);
            model->setStep(step);
            return true;
          },
          [](Napi::Env env, bool&) { return env.Undefined(); });
}

}  // namespace

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
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
  add("trainTogether", trainTogether);
  add("evaluate", evaluate);
  addQuestions(add);
  addRanks(add);
  add("stateTensors", stateTensors);
  add("termNames", termNames);
  add("kernels", kernels);
  add("readState", readState);
  add("writeState", writeState);
  return exports;
}

NODE_API_MODULE(torchvae, initialize)

}  // namespace torchvae::binding
