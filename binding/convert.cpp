#include "convert.h"

#include <cmath>
#include <cstring>
#include <map>

#include "environment.h"

namespace torchvae::binding {
namespace {

[[noreturn]] void refuse(Napi::Env env, const std::string& what, const std::string& name,
                         const char* code = "ERR_TYPE") {
  throw toJavaScriptError(env, code, "Expected " + what + " for " + name);
}

// Layers of a network, dimensions of an example, further terms of a loss.
constexpr uint32_t kMostElements = 1000;

std::vector<int64_t> toIntegers(const Napi::Object& object, const char* name) {
  const Napi::Array array = arrayProperty(object, name, kMostElements);
  std::vector<int64_t> numbers;
  const uint32_t length = array.Length();
  for (uint32_t i = 0; i < length; ++i) numbers.push_back(toInteger(array.Get(i), name, 1, kMostWidth));
  return numbers;
}

Napi::Object objectProperty(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsObject()) refuse(object.Env(), "an object", name);
  return value.As<Napi::Object>();
}

ActivationKind toActivation(const Napi::Object& object) {
  const std::string name = stringProperty(object, "activation");
#define TORCHVAE_ACTIVATION(kind, itsName, kept, tensor, value, slope) \
  if (name == itsName) return ActivationKind::kind;
#include "activations.h"
#undef TORCHVAE_ACTIVATION
  refuse(object.Env(), "a known activation", "activation", "ERR_RANGE");
}

NormKind toNorm(const Napi::Object& object) {
  const std::string name = stringProperty(object, "norm");
  if (name == "none") return NormKind::kNone;
  if (name == "batch") return NormKind::kBatch;
  if (name == "layer") return NormKind::kLayer;
  refuse(object.Env(), "a known normalization", "norm", "ERR_RANGE");
}

// An object of settings: numbers, booleans, strings and arrays of integers, each by its name.
PartSpec toPartSpec(const Napi::Object& object) {
  PartSpec part;
  part.type = stringProperty(object, "type");
  const Napi::Array names = object.GetPropertyNames();
  const uint32_t length = names.Length();
  for (uint32_t i = 0; i < length; ++i) {
    const std::string name = names.Get(i).ToString();
    const Napi::Value value = object.Get(name);
    if (value.IsNumber()) {
      part.numbers[name] = value.As<Napi::Number>().DoubleValue();
      // The engine takes counts from these, and multiplies them.
      if (!(std::abs(part.numbers[name]) <= static_cast<double>(kMostWidth))) {
        refuse(object.Env(), "a number of at most 2^24", name, "ERR_RANGE");
      }
    } else if (value.IsBoolean()) {
      part.numbers[name] = value.As<Napi::Boolean>().Value() ? 1 : 0;
    } else if (value.IsString()) {
      part.words[name] = value.As<Napi::String>().Utf8Value();
    } else {
      part.lists[name] = toIntegers(object, name.c_str());
    }
  }
  return part;
}

ConditionSpec toCondition(const Napi::Object& object) {
  ConditionSpec condition;
  condition.classes = integerProperty(object, "classes", 1, kMostWidth);
  condition.encoder = booleanProperty(object, "encoder");
  condition.decoder = booleanProperty(object, "decoder");
  condition.prior = booleanProperty(object, "prior");
  return condition;
}

// Of a convolution's kernel and stride.
constexpr int64_t kMostStep = 1024;

NetworkSpec toNetworkSpec(const Napi::Object& object) {
  NetworkSpec network;
  network.type = stringProperty(object, "type");
  if (object.Has("channels")) {
    network.channels = toIntegers(object, "channels");
    network.kernel = integerProperty(object, "kernel", 1, kMostStep);
    network.stride = integerProperty(object, "stride", 1, kMostStep);
  } else {
    network.hidden = toIntegers(object, "hidden");
  }
  network.activation = toActivation(object);
  network.norm = toNorm(object);
  network.dropout = numberProperty(object, "dropout");
  return network;
}

Napi::Object toObject(Napi::Env env, const TensorNorms& norms) {
  auto object = Napi::Object::New(env);
  object.Set("name", norms.name);
  object.Set("gradient", norms.gradient);
  object.Set("update", norms.update);
  object.Set("weight", norms.weight);
  return object;
}

// `value` as an array of this type and length, which `what` puts into words.
template <class Array>
Array arrayOf(const Napi::Value& value, napi_typedarray_type type, int64_t length, const char* what,
              const char* name) {
  const bool isTyped = value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
  if (!isTyped) refuse(value.Env(), what, name);
  const auto array = value.As<Array>();
  if (static_cast<int64_t>(array.ElementLength()) != length) refuse(value.Env(), what, name, "ERR_SHAPE");
  return array;
}

template <class Array, class T>
Napi::Value toTypedArray(Napi::Env env, const std::vector<T>& values) {
  auto array = Array::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(T));
  return array;
}

}  // namespace

std::string toText(const Napi::Value& value, const char* name) {
  if (!value.IsString()) refuse(value.Env(), "a string", name);
  return value.As<Napi::String>().Utf8Value();
}

double toNumber(const Napi::Value& value, const char* name) {
  if (!value.IsNumber()) refuse(value.Env(), "a number", name);
  return value.As<Napi::Number>().DoubleValue();
}

int64_t toInteger(const Napi::Value& value, const char* name, int64_t least, int64_t most) {
  const double number = toNumber(value, name);
  const bool isInside = number >= static_cast<double>(least) && number <= static_cast<double>(most);
  if (isInside && number == std::floor(number)) return static_cast<int64_t>(number);
  throw toJavaScriptError(value.Env(), "ERR_RANGE",
                          "Expected an integer from " + std::to_string(least) + " to " +
                              std::to_string(most) + " for " + name + " but received " +
                              std::to_string(number));
}

bool toBoolean(const Napi::Value& value, const char* name) {
  if (!value.IsBoolean()) refuse(value.Env(), "a boolean", name);
  return value.As<Napi::Boolean>().Value();
}

std::string stringProperty(const Napi::Object& object, const char* name) {
  return toText(object.Get(name), name);
}

double numberProperty(const Napi::Object& object, const char* name) {
  return toNumber(object.Get(name), name);
}

int64_t integerProperty(const Napi::Object& object, const char* name, int64_t least, int64_t most) {
  return toInteger(object.Get(name), name, least, most);
}

bool booleanProperty(const Napi::Object& object, const char* name) {
  return toBoolean(object.Get(name), name);
}

Napi::Array arrayProperty(const Napi::Object& object, const char* name, uint32_t most) {
  const Napi::Value value = object.Get(name);
  if (!value.IsArray()) refuse(object.Env(), "an array", name);
  if (value.As<Napi::Array>().Length() > most) {
    refuse(object.Env(), "at most " + std::to_string(most) + " elements", name, "ERR_RANGE");
  }
  return value.As<Napi::Array>();
}

ModelSpec toModelSpec(const Napi::Object& object) {
  ModelSpec spec;
  spec.inputShape = toIntegers(object, "inputShape");
  int64_t size = 1;
  for (const int64_t n : spec.inputShape) {
    size *= n;
    if (size > kMostWidth) {
      refuse(object.Env(), "an example of at most 2^24 values", "inputShape", "ERR_RANGE");
    }
  }
  if (spec.inputShape.empty()) refuse(object.Env(), "at least one dimension", "inputShape", "ERR_SHAPE");
  spec.encoder = toNetworkSpec(objectProperty(object, "encoder"));
  spec.latentSize = integerProperty(object, "latentSize", 1, kMostWidth);
  spec.posterior = toPartSpec(objectProperty(object, "posterior"));
  spec.prior = toPartSpec(objectProperty(object, "prior"));
  spec.decoder = toNetworkSpec(objectProperty(object, "decoder"));
  spec.likelihood = toPartSpec(objectProperty(object, "likelihood"));
  spec.objective = toPartSpec(objectProperty(object, "objective"));
  if (object.Has("condition")) spec.condition = toCondition(objectProperty(object, "condition"));
  return spec;
}

std::vector<StepSchedule> toSchedule(const Napi::Value& value, int64_t steps) {
  constexpr int64_t kFields = 4;
  const auto array = arrayOf<Napi::Float64Array>(value, napi_float64_array, kFields * steps,
                                                 "a Float64Array of 4 values a step", "schedule");
  std::vector<StepSchedule> schedule;
  for (int64_t i = 0; i < steps; ++i) {
    const double* at = array.Data() + i * kFields;
    schedule.push_back({at[0], at[1], at[2], at[3]});
  }
  return schedule;
}

OptimizerSettings toOptimizer(const Napi::Object& object) {
  static const std::map<std::string, OptimizerKind> kKinds{
#define TORCHVAE_OPTIMIZER(kind, name) {name, OptimizerKind::kind},
#include "optimizers.h"
#undef TORCHVAE_OPTIMIZER
  };
  const auto kind = kKinds.find(stringProperty(object, "type"));
  if (kind == kKinds.end()) refuse(object.Env(), "a known optimizer", "type", "ERR_RANGE");
  OptimizerSettings settings;
  settings.kind = kind->second;
  settings.beta1 = numberProperty(object, "beta1");
  settings.beta2 = numberProperty(object, "beta2");
  settings.epsilon = numberProperty(object, "epsilon");
  settings.momentum = numberProperty(object, "momentum");
  settings.nesterov = booleanProperty(object, "nesterov");
  settings.weightDecay = numberProperty(object, "weightDecay");
  settings.l1 = numberProperty(object, "l1");
  settings.clipNorm = numberProperty(object, "clipNorm");
  settings.clipValue = numberProperty(object, "clipValue");
  settings.accumulate = integerProperty(object, "accumulate", 1, kMostWidth);
  settings.averageDecay = numberProperty(object, "averageDecay");
  settings.skipNonFinite = booleanProperty(object, "skipNonFinite");
  return settings;
}

LossSums toLossSums(const Napi::Object& object) {
  LossSums sums;
  sums.loss = numberProperty(object, "loss");
  sums.reconstruction = numberProperty(object, "reconstruction");
  sums.kl = numberProperty(object, "kl");
  const Napi::Array terms = arrayProperty(object, "terms", kMostElements);
  const uint32_t length = terms.Length();
  for (uint32_t i = 0; i < length; ++i) sums.terms.push_back(toNumber(terms.Get(i), "terms"));
  sums.examples = integerProperty(object, "examples", 0, kMostInteger);
  return sums;
}

OwnedArray toOwnedArray(const Napi::Value& value, int64_t columns) {
  if (!value.IsTypedArray()) refuse(value.Env(), "a Float32Array or Uint8Array", "values");
  const auto array = value.As<Napi::TypedArray>();
  const napi_typedarray_type type = array.TypedArrayType();
  if (type != napi_float32_array && type != napi_uint8_array) {
    refuse(value.Env(), "a Float32Array or Uint8Array", "values");
  }
  const auto length = static_cast<int64_t>(array.ElementLength());
  if (columns < 1 || length % columns != 0) {
    refuse(value.Env(), "a length that is a multiple of " + std::to_string(columns), "values", "ERR_SHAPE");
  }
  const auto* bytes = static_cast<const uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  OwnedArray owned;
  owned.storage.assign(bytes, bytes + array.ByteLength());
  owned.isUint8 = type == napi_uint8_array;
  owned.rows = length / columns;
  owned.columns = columns;
  return owned;
}

void addLabels(OwnedArray& array, const Napi::Value& labels) {
  if (labels.IsUndefined()) return;
  const auto typed = arrayOf<Napi::Int32Array>(labels, napi_int32_array, array.rows,
                                               "an Int32Array of one label an example", "labels");
  array.labels.assign(typed.Data(), typed.Data() + array.rows);
}

StateValues toStateValues(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray()) refuse(value.Env(), "a Float32Array or Float64Array", name);
  const auto array = value.As<Napi::TypedArray>();
  const auto* bytes = static_cast<const uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  StateValues values;
  const auto copy = [&](auto& to) {
    to.resize(array.ElementLength());
    if (!to.empty()) std::memcpy(to.data(), bytes, array.ByteLength());
  };
  if (array.TypedArrayType() == napi_float32_array) {
    copy(values.floats);
  } else if (array.TypedArrayType() == napi_float64_array) {
    copy(values.doubles);
  } else {
    refuse(value.Env(), "a Float32Array or Float64Array", name);
  }
  return values;
}

Napi::Value toTypedValues(Napi::Env env, const StateValues& values) {
  if (values.doubles.empty()) return toFloat32Array(env, values.floats);
  return toFloat64Array(env, values.doubles);
}

Napi::Value toFloat32Array(Napi::Env env, const std::vector<float>& values) {
  return toTypedArray<Napi::Float32Array>(env, values);
}

Napi::Value toFloat64Array(Napi::Env env, const std::vector<double>& values) {
  return toTypedArray<Napi::Float64Array>(env, values);
}

Napi::Value toInt32Array(Napi::Env env, const std::vector<int32_t>& values) {
  return toTypedArray<Napi::Int32Array>(env, values);
}

Napi::Value toObject(Napi::Env env, const LossSums& sums) {
  auto object = Napi::Object::New(env);
  object.Set("loss", sums.loss);
  object.Set("reconstruction", sums.reconstruction);
  object.Set("kl", sums.kl);
  auto terms = Napi::Array::New(env, sums.terms.size());
  for (size_t i = 0; i < sums.terms.size(); ++i) terms.Set(static_cast<uint32_t>(i), sums.terms[i]);
  object.Set("terms", terms);
  object.Set("examples", static_cast<double>(sums.examples));
  return object;
}

Napi::Value toObject(Napi::Env env, const TrainResult& result) {
  static constexpr const char* kReasons[] = {"done", "aborted", "nonfinite"};
  auto object = toObject(env, result.sums).As<Napi::Object>();
  object.Set("steps", static_cast<double>(result.steps));
  object.Set("skipped", static_cast<double>(result.skipped));
  object.Set("seconds", result.seconds);
  object.Set("reason", kReasons[static_cast<int>(result.reason)]);
  auto norms = Napi::Array::New(env, result.norms.size());
  for (uint32_t i = 0; i < norms.Length(); ++i) norms.Set(i, toObject(env, result.norms[i]));
  object.Set("norms", norms);
  auto faults = Napi::Array::New(env, result.faults.size());
  for (uint32_t i = 0; i < faults.Length(); ++i) faults.Set(i, result.faults[i]);
  object.Set("faults", faults);
  object.Set("isSideBySide", result.isSideBySide);
  return object;
}

Napi::Value toObject(Napi::Env env, const EngineInfo& info) {
  auto object = Napi::Object::New(env);
  object.Set("engineVersion", info.engineVersion);
  object.Set("torchVersion", info.torchVersion);
  object.Set("cpuCapability", info.cpuCapability);
  object.Set("gemm", info.gemm);
  object.Set("threads", info.threads);
  auto cuda = Napi::Object::New(env);
  cuda.Set("available", info.cudaAvailable);
  cuda.Set("reason", info.cudaReason);
  auto devices = Napi::Array::New(env);
  for (const DeviceInfo& device : info.cudaDevices) {
    auto entry = Napi::Object::New(env);
    entry.Set("name", device.name);
    entry.Set("totalMemory", static_cast<double>(device.totalMemory));
    entry.Set("capability", device.capability);
    devices.Set(devices.Length(), entry);
  }
  cuda.Set("devices", devices);
  object.Set("cuda", cuda);
  return object;
}

}  // namespace torchvae::binding
