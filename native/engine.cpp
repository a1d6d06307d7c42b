#include "engine.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/csrc/api/include/torch/version.h>

#include <map>
#include <mutex>

#include "cpu/pool.h"
#include "device.h"
#include "translate.h"

namespace torchvae {
namespace {

class LibtorchEngine : public Engine {
 public:
  EngineInfo info() override {
    return translated([&] {
      EngineInfo info;
      info.engineVersion = TORCHVAE_VERSION;
      info.torchVersion = TORCH_VERSION;
      info.cpuCapability = at::get_cpu_capability();
      info.gemm = "oneDNN brgemm";
      info.threads = defaultThreads();
      info.cudaReason = "this build's CUDA part is not loaded";
      return info;
    });
  }

  std::shared_ptr<Device> device(const std::string& name, int threads) override {
    return translated([&] {
      const std::lock_guard lock(mutex_);
      std::shared_ptr<ThreadedDevice>& device = devices_[name];
      if (!device) {
        if (threads <= 0) threads = defaultThreads();
        at::set_num_threads(threads);
        device = std::make_shared<ThreadedDevice>(c10::Device(name), threads);
      }
      return device;
    });
  }

 private:
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
