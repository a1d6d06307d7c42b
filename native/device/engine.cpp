#include "engine.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/csrc/api/include/torch/version.h>

#include <map>
#include <mutex>

#include "base/translate.h"
#include "cpu/gemm.h"
#include "cpu/pool.h"
#include "cuda_part.h"
#include "device/device.h"
#include "model/model.h"
#include "ranks/device_ranks.h"

namespace torchvae {
namespace {

Error unknownDevice(const std::string& name) {
  return {"ERR_DEVICE", "Expected 'cpu' or 'cuda:N' for the device but received " + name.substr(0, 40)};
}

c10::Device deviceOf(const std::string& name) {
  try {
    const c10::Device device(name);
    if (device.str() == name) return device;  // an index that libtorch has no room for comes back as another
  } catch (const std::exception&) {
    // no device's name
  }
  throw unknownDevice(name);
}

class LibtorchEngine : public Engine {
 public:
  void attach(CudaPart* part) override { cuda_ = part; }

  EngineInfo info() override {
    return translated([&] {
      EngineInfo info;
      info.engineVersion = TORCHVAE_VERSION;
      info.torchVersion = TORCH_VERSION;
      info.cpuCapability = at::get_cpu_capability();
      info.gemm = cpu::describeBackend();
      info.threads = defaultThreads();
      info.cudaReason = "the engine's CUDA part is not loaded";
      if (cuda_ != nullptr) {
        info.cudaReason.clear();
        info.cudaDevices = cuda_->devices(info.cudaReason);
        info.cudaAvailable = !info.cudaDevices.empty();
      }
      return info;
    });
  }

  std::vector<StateTensor> plan(const ModelSpec& spec) override {
    return translated([&] { return planModel(spec); });
  }

  std::shared_ptr<Device> device(const std::string& name, int threads) override {
    return translated([&]() -> std::shared_ptr<Device> {
      const bool isCuda = name.rfind("cuda:", 0) == 0;
      const bool isLane = name.rfind("cpu/", 0) == 0;
      if (name != "cpu" && !isCuda && !isLane) throw unknownDevice(name);
      const std::lock_guard lock(mutex_);
      const auto known = devices_.find(name);
      if (known != devices_.end()) return known->second;
      std::string reason = "the engine's CUDA part is not loaded";
      const size_t count = !isCuda || cuda_ == nullptr ? 0 : cuda_->devices(reason).size();
      const c10::Device device = deviceOf(isLane ? "cpu" : name);
      if (isCuda && (device.index() < 0 || static_cast<size_t>(device.index()) >= count)) {
        throw Error("ERR_DEVICE", "The device " + name + " cannot be used: " +
                                      (count == 0 ? reason : "there are " + std::to_string(count)));
      }
      if (threads <= 0) threads = defaultThreads();
      at::set_num_threads(threads);
      return devices_[name] = std::make_shared<ThreadedDevice>(
                 device, threads, isLane ? Pool::Workers::kNone : Pool::Workers::kShared, cuda_);
    });
  }

  std::shared_ptr<Ranks> join(const RanksSettings& settings, const std::atomic<bool>& abort) override {
    return translated([&] { return joinRanks(settings, abort); });
  }

 private:
  CudaPart* cuda_ = nullptr;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<ThreadedDevice>> devices_;
};

}  // namespace
}  // namespace torchvae

torchvae::Engine* torchvae_engine(int interfaceNumber) {
  if (interfaceNumber != torchvae::kEngineInterface) return nullptr;
  static torchvae::LibtorchEngine engine;
  return &engine;
}
