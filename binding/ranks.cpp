#include "ranks.h"

#include <algorithm>

#include "library.h"

namespace torchvae::binding {
namespace {

constexpr int64_t kMostRanks = int64_t{1} << 20;
constexpr int64_t kMostPort = 65535;
// A day, and any number of milliseconds within it, is a time that clocks can add.
constexpr double kMostSeconds = 86400;

RanksBy toRanksBy(const std::string& name) {
  if (name == "nccl") return RanksBy::kNccl;
  return name == "gloo" ? RanksBy::kGloo : RanksBy::kAuto;
}

RanksSettings toRanksSettings(const Napi::Object& object) {
  RanksSettings settings;
  settings.size = static_cast<int>(integerProperty(object, "size", 1, kMostRanks));
  settings.rank = static_cast<int>(integerProperty(object, "rank", 0, settings.size - 1));
  settings.host = stringProperty(object, "host");
  settings.port = static_cast<int>(integerProperty(object, "port", 1, kMostPort));
  settings.isServed = booleanProperty(object, "isServed");
  settings.prefix = stringProperty(object, "prefix");
  settings.by = toRanksBy(stringProperty(object, "by"));
  settings.seconds = std::clamp(numberProperty(object, "seconds"), 0.0, kMostSeconds);
  return settings;
}

// join(model, settings): Promise<Ranks>; an abort of the model ends it.
Napi::Value join(const Info& info) {
  const ModelHandle handle = liveModel(info);
  const RanksSettings settings = toRanksSettings(objectArgument(info[1]));
  const AbortFlag flag = handle.calls->begin();
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, flag, [settings, flag] { return engine().join(settings, *flag); },
          [](Napi::Env env, std::shared_ptr<Ranks>& ranks) {
            return wrapHandle(env, RanksHandle{std::move(ranks)});
          });
}

// exchange(model, ranks, text): Promise<string[]>; the texts of all ranks.
Napi::Value exchange(const Info& info) {
  const ModelHandle handle = liveModel(info);
  const std::shared_ptr<Ranks> ranks = unwrapHandle<RanksHandle>(info[1]).ranks;
  const std::string text = stringArgument(info, 2, "text");
  const AbortFlag flag = handle.calls->begin();
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, flag, [ranks, text, flag] { return ranks->exchange(text, *flag); },
          [](Napi::Env env, std::vector<std::string>& texts) {
            auto list = Napi::Array::New(env, texts.size());
            for (size_t i = 0; i < texts.size(); ++i) list.Set(static_cast<uint32_t>(i), texts[i]);
            return list;
          });
}

// synchronize(model, ranks): Promise<string>; all ranks get the tensors of rank 0. Brings how.
Napi::Value synchronize(const Info& info) {
  const ModelHandle handle = liveModel(info);
  const std::shared_ptr<Ranks> ranks = unwrapHandle<RanksHandle>(info[1]).ranks;
  const AbortFlag flag = handle.calls->begin();
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, flag,
          [model, ranks, flag] { return model->synchronize(*ranks, *flag); },
          [](Napi::Env env, std::string& way) { return Napi::String::New(env, way); });
}

}  // namespace

void addRanks(const AddFunction& add) {
  add("join", join);
  add("exchange", exchange);
  add("synchronize", synchronize);
}

}  // namespace torchvae::binding
