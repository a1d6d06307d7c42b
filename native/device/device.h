// A device and the one thread that uses it.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/context.h"
#include "cpu/pool.h"
#include "cuda_part.h"
#include "engine.h"
#include "kernels/kernels.h"

namespace torchvae {

class ThreadedDevice : public Device {
 public:
  // `threads` is the CPU's: the device's own thread and its helpers, if it has `workers`. `cuda` serves CUDA
  // devices.
  ThreadedDevice(const c10::Device& device, int threads, Pool::Workers workers, CudaPart* cuda);
  ~ThreadedDevice() override;

  void submit(std::function<void()> job) override;
  std::shared_ptr<Dataset> createDataset(const HostArray& values) override;
  std::shared_ptr<Model> createModel(const ModelSpec& spec, uint64_t seed, const std::string& precision,
                                     bool reference) override;
  std::vector<TrainOutcome> train(const std::vector<std::shared_ptr<Model>>& models,
                                  const std::vector<TrainChunk>& chunks) override;
  MixtureFit fitMixture(const HostArray& points, int64_t components, int64_t iterations,
                        uint64_t seed) override;
  double frechetDistance(const HostArray& a, const HostArray& b, int64_t components) override;
  ManifoldScores manifoldScores(const HostArray& real, const HostArray& generated, int64_t components,
                                int64_t neighbors) override;
  std::vector<float> structuralSimilarity(const HostArray& a, const HostArray& b,
                                          const std::vector<int64_t>& shape) override;
  ForestFit growForest(const HostArray& features, const HostArray& judged,
                       const ForestSettings& settings) override;

 private:
  void work();
  // Before anything is made on the device: makes it the calling thread's, the first time that this works. The
  // thread itself has nobody to tell why it does not.
  void enter();
  // What lives on the device dies on its thread.
  template <class T>
  std::shared_ptr<T> owned(T* object);

  c10::Device device_;
  CudaPart* cuda_;
  bool entered_ = false;              // used on the device's thread alone
  std::unique_ptr<Kernels> kernels_;  // of a device that the CUDA part serves
  std::unique_ptr<Pool> pool_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace torchvae
