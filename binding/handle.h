// Engine objects as JavaScript holds them: tagged externals, so that a value of any other origin is refused
// and never taken for a pointer of ours.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "environment.h"

namespace torchvae::binding {

struct DeviceHandle {
  static constexpr napi_type_tag kTag = {0x7a1f30b2c4d94e51, 0x9b6e0d57f2a84c01};
  static constexpr const char* kName = "device";
  std::shared_ptr<Device> device;
  bool isHost = false;  // whether it computes in the host's memory, as all of the CPU's lanes do
  int64_t bytes = 0;
};

struct DatasetHandle {
  static constexpr napi_type_tag kTag = {0x7a1f30b2c4d94e51, 0x9b6e0d57f2a84c02};
  static constexpr const char* kName = "data set";
  std::shared_ptr<Device> device;
  bool onHost = false;
  std::shared_ptr<Dataset> dataset;
  int64_t columns = 0;
  int64_t bytes = 0;
};

// The flags of a model's train() and evaluate() calls that are under way: each call has one that nobody else
// lowers. Used on the JavaScript thread alone.
class AbortFlags {
 public:
  AbortFlag begin() {
    std::erase_if(underWay_, [](const auto& flag) { return flag.expired(); });
    auto flag = std::make_shared<std::atomic<bool>>(false);
    underWay_.push_back(flag);
    return flag;
  }
  void raise() const {
    for (const auto& weak : underWay_) {
      if (const AbortFlag flag = weak.lock()) flag->store(true);
    }
  }

 private:
  std::vector<std::weak_ptr<std::atomic<bool>>> underWay_;
};

struct ModelHandle {
  static constexpr napi_type_tag kTag = {0x7a1f30b2c4d94e51, 0x9b6e0d57f2a84c03};
  static constexpr const char* kName = "model";
  std::shared_ptr<Device> device;
  bool onHost = false;
  std::shared_ptr<Model> model;
  std::shared_ptr<AbortFlags> calls = std::make_shared<AbortFlags>();
  AbortFlag ending = std::make_shared<std::atomic<bool>>(false);  // raised when the model is disposed
  int64_t inputSize = 0;
  int64_t codeSize = 0;
  int64_t bytes = 0;  // of memory outside JavaScript's heap, told to its collector
};

struct RanksHandle {
  static constexpr napi_type_tag kTag = {0x7a1f30b2c4d94e51, 0x9b6e0d57f2a84c04};
  static constexpr const char* kName = "ranks";
  std::shared_ptr<Ranks> ranks;
  int64_t bytes = 0;
};

template <class Handle>
Napi::Value wrapHandle(Napi::Env env, Handle handle) {
  const int64_t bytes = handle.bytes;
  auto external =
      Napi::External<Handle>::New(env, new Handle(std::move(handle)), [](Napi::Env env, Handle* dying) {
        if (dying->bytes > 0) Napi::MemoryManagement::AdjustExternalMemory(env, -dying->bytes);
        delete dying;
      });
  if (napi_type_tag_object(env, external, &Handle::kTag) != napi_ok) throw Napi::Error::New(env);
  if (bytes > 0) Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
  return external;
}

template <class Handle>
Handle& unwrapHandle(const Napi::Value& value) {
  bool ours = false;
  if (value.IsExternal()) napi_check_object_type_tag(value.Env(), value, &Handle::kTag, &ours);
  if (!ours)
    throw toJavaScriptError(value.Env(), "ERR_TYPE", std::string("Expected a ") + Handle::kName + " handle");
  return *value.As<Napi::External<Handle>>().Data();
}

}  // namespace torchvae::binding
