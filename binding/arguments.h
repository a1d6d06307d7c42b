// What the addon's functions take from their arguments.
#pragma once

#include <napi.h>

#include "environment.h"
#include "handle.h"

namespace torchvae::binding {

using Info = Napi::CallbackInfo;

// The model of the first argument. Throws ERR_STATE for one that was disposed.
inline ModelHandle& liveModel(const Info& info) {
  auto& handle = unwrapHandle<ModelHandle>(info[0]);
  if (!handle.model) throw toJavaScriptError(info.Env(), "ERR_STATE", "The model was disposed");
  return handle;
}

inline Napi::Object objectArgument(const Napi::Value& value) {
  if (!value.IsObject()) throw toJavaScriptError(value.Env(), "ERR_TYPE", "Expected an object");
  return value.As<Napi::Object>();
}

}  // namespace torchvae::binding
