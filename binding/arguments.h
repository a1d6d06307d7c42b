// What the addon's functions take from their arguments.
//
// Reading an object's properties may run JavaScript, which may dispose of the very model that is being asked.
// So models and data sets are held from the moment they are looked at, and numbers are taken from numbers
// alone.
#pragma once

#include <napi.h>

#include <functional>
#include <string>

#include "convert.h"
#include "environment.h"
#include "handle.h"

namespace torchvae::binding {

using Info = Napi::CallbackInfo;
// Makes a function of the addon.
using AddFunction = std::function<void(const char* name, Napi::Value (*function)(const Info&))>;

// The model of a value, by default of the first argument, held. Throws ERR_STATE for one that was disposed.
inline ModelHandle liveModel(const Napi::Value& value) {
  const auto& handle = unwrapHandle<ModelHandle>(value);
  if (!handle.model) throw toJavaScriptError(value.Env(), "ERR_STATE", "The model was disposed");
  return handle;
}
inline ModelHandle liveModel(const Info& info) {
  return liveModel(info[0]);
}

// A data set of rows that fit the model, held. Throws ERR_STATE for one that was disposed.
inline DatasetHandle liveDataset(const Napi::Value& value, const ModelHandle& model) {
  const auto& handle = unwrapHandle<DatasetHandle>(value);
  if (!handle.dataset) throw toJavaScriptError(value.Env(), "ERR_STATE", "The data set was disposed");
  if (handle.device != model.device && !(handle.onHost && model.onHost)) {
    throw toJavaScriptError(value.Env(), "ERR_STATE", "The data set lies on another device than the model");
  }
  if (handle.columns == model.inputSize) return handle;
  throw toJavaScriptError(value.Env(), "ERR_SHAPE",
                          "Expected examples of " + std::to_string(model.inputSize) +
                              " values but the data set has " + std::to_string(handle.columns));
}

// The ranks of a value, or null for undefined.
inline std::shared_ptr<Ranks> optionalRanks(const Napi::Value& value) {
  return value.IsUndefined() ? nullptr : unwrapHandle<RanksHandle>(value).ranks;
}

inline Napi::Object objectArgument(const Napi::Value& value) {
  if (!value.IsObject()) throw toJavaScriptError(value.Env(), "ERR_TYPE", "Expected an object");
  return value.As<Napi::Object>();
}

inline std::string stringArgument(const Info& info, size_t place, const char* name) {
  return toText(info[place], name);
}

// ERR_RANGE unless the number lies in [least, most].
inline int64_t integerArgument(const Info& info, size_t place, const char* name, int64_t least,
                               int64_t most) {
  return toInteger(info[place], name, least, most);
}

inline uint64_t seedArgument(const Info& info, size_t place) {
  return static_cast<uint64_t>(toInteger(info[place], "seed", 0, kMostInteger));
}

inline bool booleanArgument(const Info& info, size_t place, const char* name) {
  return toBoolean(info[place], name);
}

}  // namespace torchvae::binding
