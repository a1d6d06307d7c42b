#include "engine.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/csrc/api/include/torch/version.h>

#include <map>
#include <mutex>

#include "cpu/gemm.h"
#include "cpu/pool.h"
#include "cuda_part.h"
#include "device.h"
#include "model.h"
#include "translate.h"

namespace torchvae {
namespace {

class LibtorchEngine : public Engine {
 public:
  void attach(CudaPart* part) override { cuda_ = part; }

  EngineInfo info() override {
    return translated([&] {
      EngineInfo info;
      info.engineVersion = TORCHVAE_VERSION;
      info.torchVersion = TORCH_VERSION;
      info.cpuCapability = at::get_cpu_capability();
      info.gemm = cpu::describeGemm();
      info.threads = defaultThreads();
      info.cudaReason =
          "the engine's CUDA part is not loaded: libtorch is a CPU build, or no NVIDIA driver was found";
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
    return translated([&] {
      const std::lock_guard lock(mutex_);
      std::shared_ptr<ThreadedDevice>& device = devices_[name];
      if (!device) {
        if (threads <= 0) threads = defaultThreads();
        at::set_num_threads(threads);
        device = std::make_shared<ThreadedDevice>(c10::Device(name), threads, cuda_);
      }
      return device;
    });
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
