#include "device/device.h"

#include <c10/core/GradMode.h>

#include <cstdlib>

#include "base/block_cache.h"
#include "base/translate.h"
#include "cpu/bf16.h"
#include "cpu/gemm.h"
#include "data/resident.h"
#include "eval/forest.h"
#include "eval/frechet.h"
#include "eval/manifold.h"
#include "eval/mixture.h"
#include "eval/similarity.h"
#include "model/model.h"

namespace torchvae {
namespace {

// The first generation of NVIDIA's devices whose matrix units take bfloat16 and TF32 factors.
constexpr int kFirstWithRoundedProducts = 8;

void checkCudaPrecision(const std::string& precision, CudaPart& part, int index) {
  if (precision != "bf16" && precision != "tf32") return;
  std::string reason;
  const DeviceInfo info = part.devices(reason).at(static_cast<size_t>(index));
  if (std::atoi(info.capability.c_str()) < kFirstWithRoundedProducts) {
    throw Error("ERR_DEVICE", "precision '" + precision +
                                  "' needs a GPU of compute capability 8.0 or newer; " + info.name + " has " +
                                  info.capability + "; use 'float32'");
  }
}

void checkCpuPrecision(const std::string& precision) {
  std::string reason;
  if (precision == "tf32") {
    throw Error("ERR_DEVICE", "precision 'tf32' is of CUDA devices; use 'float32' or 'bf16' on the CPU");
  }
  if (precision == "bf16" && !cpu::hasBf16Products(reason)) {
    throw Error("ERR_DEVICE",
                "precision 'bf16' does not run on this processor: " + reason + "; use 'float32'");
  }
}

}  // namespace

ThreadedDevice::ThreadedDevice(const c10::Device& device, int threads, Pool::Workers workers, CudaPart* cuda)
    : device_(device), cuda_(cuda) {
  if (device.is_cuda() && cuda == nullptr) {
    throw Error("ERR_DEVICE", "The engine's CUDA part is not loaded; use device 'cpu'");
  }
  if (cuda != nullptr && device.is_cuda() != cuda->onHost()) kernels_ = std::make_unique<Kernels>(*cuda);
  if (device.is_cpu()) {
    keepBlocks();
    pool_ = std::make_unique<Pool>(threads, workers);
  }
  thread_ = std::thread([this] { work(); });
}

ThreadedDevice::~ThreadedDevice() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void ThreadedDevice::submit(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void ThreadedDevice::work() {
  // Off for everything but the step that asks for derivatives.
  const c10::NoGradGuard noGrad;
  for (;;) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

void ThreadedDevice::enter() {
  if (entered_) return;
  if (device_.is_cuda()) cuda_->enterThread(device_.index());
  entered_ = true;
}

template <class T>
std::shared_ptr<T> ThreadedDevice::owned(T* object) {
  return std::shared_ptr<T>(object, [this](T* dying) { submit([dying] { delete dying; }); });
}

std::shared_ptr<Dataset> ThreadedDevice::createDataset(const HostArray& values) {
  return translated([&] {
    enter();
    return owned<Dataset>(new ResidentDataset(device_, values));
  });
}

std::shared_ptr<Model> ThreadedDevice::createModel(const ModelSpec& spec, uint64_t seed,
                                                   const std::string& precision, bool reference) {
  return translated([&] {
    enter();
    const auto dtype = precision == "float64" ? c10::kDouble : c10::kFloat;
    if (device_.is_cuda()) checkCudaPrecision(precision, *cuda_, device_.index());
    if (device_.is_cpu() && kernels_ == nullptr) checkCpuPrecision(precision);
    Context context{device_, dtype, pool_.get(), kernels_.get()};
    context.bf16 = precision == "bf16";
    context.tf32 = precision == "tf32";
    if (context.tiled()) context.backend = cpu::chooseBackend();
    return owned<Model>(new VaeModel(context, spec, seed, reference));
  });
}

std::vector<TrainOutcome> ThreadedDevice::train(const std::vector<std::shared_ptr<Model>>& models,
                                                const std::vector<TrainChunk>& chunks) {
  std::vector<VaeModel*> all;
  for (const std::shared_ptr<Model>& model : models) all.push_back(static_cast<VaeModel*>(model.get()));
  return VaeModel::trainTogether(all, chunks);
}

MixtureFit ThreadedDevice::fitMixture(const HostArray& points, int64_t components, int64_t iterations,
                                      uint64_t seed) {
  return translated([&] { return torchvae::fitMixture(points, components, iterations, seed); });
}

double ThreadedDevice::frechetDistance(const HostArray& a, const HostArray& b, int64_t components) {
  return translated([&] { return torchvae::frechetDistance(a, b, components); });
}

ManifoldScores ThreadedDevice::manifoldScores(const HostArray& real, const HostArray& generated,
                                              int64_t components, int64_t neighbors) {
  return translated([&] { return torchvae::manifoldScores(real, generated, components, neighbors); });
}

std::vector<float> ThreadedDevice::structuralSimilarity(const HostArray& a, const HostArray& b,
                                                        const std::vector<int64_t>& shape) {
  return translated([&] { return torchvae::structuralSimilarity(a, b, shape); });
}

ForestFit ThreadedDevice::growForest(const HostArray& features, const HostArray& judged,
                                     const ForestSettings& settings) {
  return translated([&] { return torchvae::growForest(features, judged, settings, pool_.get()); });
}

}  // namespace torchvae
