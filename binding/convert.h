// JavaScript values to the engine's plain structs and back. lib/ has validated them; what is checked again
// here is what could otherwise read or write memory out of bounds.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "engine.h"

namespace torchvae::binding {

// The largest integer that every double up to it tells apart.
inline constexpr int64_t kMostInteger = (int64_t{1} << 53) - 1;
// Far above any sensible layer, row or number of rows, and small enough for products of two.
inline constexpr int64_t kMostWidth = int64_t{1} << 24;
inline constexpr int64_t kMostRows = int64_t{1} << 31;

// A value of the asked type, or an ERR_TYPE exception that names it; ERR_RANGE for an integer out of range or
// too many elements, ERR_SHAPE for a typed array of another length.
std::string toText(const Napi::Value& value, const char* name);
double toNumber(const Napi::Value& value, const char* name);
int64_t toInteger(const Napi::Value& value, const char* name, int64_t least, int64_t most);
bool toBoolean(const Napi::Value& value, const char* name);
// The same of a property.
std::string stringProperty(const Napi::Object& object, const char* name);
double numberProperty(const Napi::Object& object, const char* name);
int64_t integerProperty(const Napi::Object& object, const char* name, int64_t least, int64_t most);
bool booleanProperty(const Napi::Object& object, const char* name);
// Its elements, of which there are at most `most`.
Napi::Array arrayProperty(const Napi::Object& object, const char* name, uint32_t most);

ModelSpec toModelSpec(const Napi::Object& object);

// A copy of the caller's typed array: the caller may change, detach or collect it while the engine works.
struct OwnedArray {
  std::vector<uint8_t> storage;
  bool isUint8 = false;
  bool isDrawn = false;
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<int32_t> labels;  // of the rows, or empty

  HostArray view() const {
    return {storage.data(), isUint8, rows, columns, labels.empty() ? nullptr : labels.data(), isDrawn};
  }
  const float* floats() const { return reinterpret_cast<const float*>(storage.data()); }
};

// Float64Array of `steps` times the fields of StepSchedule, in their order.
std::vector<StepSchedule> toSchedule(const Napi::Value& value, int64_t steps);
OptimizerSettings toOptimizer(const Napi::Object& object);
LossSums toLossSums(const Napi::Object& object);
// From a Float32Array or Uint8Array whose length is a multiple of `columns`.
OwnedArray toOwnedArray(const Napi::Value& value, int64_t columns);

// An Int32Array with a label for each row, or undefined for none.
void addLabels(OwnedArray& array, const Napi::Value& labels);

// From a Float32Array or a Float64Array.
StateValues toStateValues(const Napi::Value& value, const char* name);
// A Float32Array, or a Float64Array of a model in float64.
Napi::Value toTypedValues(Napi::Env env, const StateValues& values);
Napi::Value toFloat32Array(Napi::Env env, const std::vector<float>& values);
Napi::Value toFloat64Array(Napi::Env env, const std::vector<double>& values);
Napi::Value toInt32Array(Napi::Env env, const std::vector<int32_t>& values);
Napi::Value toObject(Napi::Env env, const LossSums& sums);
Napi::Value toObject(Napi::Env env, const TrainResult& result);
Napi::Value toObject(Napi::Env env, const EngineInfo& info);

}  // namespace torchvae::binding
