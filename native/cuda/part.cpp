#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <array>
#include <map>
#include <mutex>
#include <optional>
#include <tuple>
#include <vector>

#include "base/translate.h"
#include "cuda/kept_programs.h"
#include "cuda/nvrtc.h"
#include "cuda_part.h"

namespace torchvae {
namespace {

// An error that is told must not come up again in libtorch's next call, which asks for the last one.
void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  throw Error("ERR_DEVICE", std::string(what) + " failed: " + cudaGetErrorString(status));
}

DeviceInfo describe(int index) {
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, index) != cudaSuccess) {
    cudaGetLastError();
    return {"unknown", 0, ""};
  }
  return {properties.name, static_cast<int64_t>(properties.totalGlobalMem),
          std::to_string(properties.major) + "." + std::to_string(properties.minor)};
}

// Compute capability, such as 90 for 9.0.
int capabilityOf(int device) {
  int major = 0, minor = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "Asking the device");
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device), "Asking the device");
  return 10 * major + minor;
}

// Of all.cu the kernels of one suffix: _f32, _bf16, _f64.
std::vector<std::string> definitionsOf(const std::string& suffix) {
  const char* type = suffix == "_f32" ? "float" : suffix == "_bf16" ? "Bf16" : "double";
  return {"TORCHVAE_SUFFIX=" + suffix, std::string("TORCHVAE_TYPE=") + type};
}
std::vector<std::string> definitionsOf(const std::vector<KernelConstant>& constants) {
  std::vector<std::string> definitions;
  for (const KernelConstant& constant : constants)
    definitions.push_back(std::string("TORCHVAE_") + constant.name + "=" + std::to_string(constant.value));
  return definitions;
}

// The programs loaded on each device, shared by the threads that use it.
class Modules {
 public:
  CUfunction kernel(int device, const std::string& name) {
    const std::lock_guard lock(mutex_);
    return driver().function(module(device, "all.cu", definitionsOf(name.substr(name.rfind('_')))), name);
  }
  CUfunction kernel(int device, const KernelKey& key) {
    const std::lock_guard lock(mutex_);
    const CUfunction found =
        driver().function(module(device, key.program, definitionsOf(key.constants)), key.name);
    driver().allowShared(found, key.sharedBytes);
    return found;
  }
  const Driver& driver() {
    if (!driver_) driver_.emplace();
    return *driver_;
  }
  void keepIn(const std::string& folder) {
    const std::lock_guard lock(mutex_);
    kept_ = KeptPrograms(folder);
  }

 private:
  CUmodule module(int device, const std::string& program, const std::vector<std::string>& definitions) {
    CUmodule& module = modules_[{device, program, definitions}];
    if (module == nullptr) module = load({capabilityOf(device), program, definitions});
    return module;
  }
  CUmodule load(const Program& program) {
    const std::string key = keyOf(program);
    if (const auto kept = kept_.find(key)) {
      try {
        return driver().load(*kept);
      } catch (const Error&) {
        // A driver that refuses what was kept may take what is compiled now.
      }
    }
    const std::vector<char> code = compileProgram(program);
    const CUmodule module = driver().load(code);
    kept_.keep(key, code);
    return module;
  }

  std::mutex mutex_;
  std::optional<Driver> driver_;
  KeptPrograms kept_{""};
  std::map<std::tuple<int, std::string, std::vector<std::string>>, CUmodule> modules_;
};

// A point in the calling thread's stream, which a thread that waits for it sleeps until.
class Event {
 public:
  explicit Event(unsigned flags = cudaEventDisableTiming) {
    check(cudaEventCreateWithFlags(&event_, flags | cudaEventBlockingSync), "Making an event");
  }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record() const {
    check(cudaEventRecord(event_, c10::cuda::getCurrentCUDAStream()), "Recording an event");
  }
  void wait() const { check(cudaEventSynchronize(event_), "Waiting for an event"); }
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

// A CUDA graph, with events that keep the host from running far ahead of the device.
class Graph : public CapturedWork {
 public:
  explicit Graph(const std::function<void()>& body) {
    // A graph is captured on the thread's own stream, which the warm-up's workspaces belong to. Of other
    // threads' calls to CUDA it knows nothing.
    graph_.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    try {
      body();
    } catch (...) {
      endQuietly();
      throw;
    }
    graph_.capture_end();
  }

  void replay() override {
    translated([&] {
      const Event& event = events_[replays_++ % kAhead];
      event.wait();  // returns at once if it was never recorded
      graph_.replay();
      event.record();
    });
  }

 private:
  // After a failure the stream must not stay in capture.
  void endQuietly() {
    try {
      graph_.capture_end();
    } catch (const std::exception&) {
      cudaGetLastError();
    }
  }

  static constexpr size_t kAhead = 8;
  at::cuda::CUDAGraph graph_;
  std::array<Event, kAhead> events_;
  size_t replays_ = 0;
};

class Mark : public TimeMark {
 public:
  Mark() { event_.record(); }

  double since(const TimeMark& earlier) const override {
    float milliseconds = 0;
    event_.wait();
    check(cudaEventElapsedTime(&milliseconds, static_cast<const Mark&>(earlier).event_.get(), event_.get()),
          "Timing two events");
    return 1e-3 * static_cast<double>(milliseconds);
  }

 private:
  Event event_{cudaEventDefault};
};

class Point : public StreamPoint {
 public:
  void record() override { event_.record(); }
  bool isReached() const override {
    const cudaError_t status = cudaEventQuery(event_.get());
    if (status == cudaSuccess) return true;
    if (status != cudaErrorNotReady) check(status, "Asking an event");
    cudaGetLastError();  // as check() does
    return false;
  }

 private:
  Event event_;
};

class Part : public CudaPart {
 public:
  std::vector<DeviceInfo> devices(std::string& reason) override {
    return translated([&] {
      int count = 0;
      const cudaError_t status = cudaGetDeviceCount(&count);
      if (status != cudaSuccess || count == 0) {
        cudaGetLastError();  // as check() does
        reason = status == cudaSuccess ? "the driver shows no device" : cudaGetErrorString(status);
        return std::vector<DeviceInfo>{};
      }
      std::vector<DeviceInfo> found;
      for (int i = 0; i < count; ++i) found.push_back(describe(i));
      return found;
    });
  }

  void keepPrograms(const std::string& folder) override { modules_.keepIn(folder); }

  void enterThread(int index) override {
    translated([&] {
      const auto device = static_cast<c10::DeviceIndex>(index);
      c10::cuda::set_device(device);
      check(cudaFree(nullptr), "Opening the device");  // makes the context that kernels are loaded into
      canBeginEarly_ = capabilityOf(index) >= 90;
      c10::cuda::setCurrentCUDAStream(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device));
    });
  }

  int capability() override {
    return translated([&] { return capabilityOf(c10::cuda::current_device()); });
  }

  void* kernel(const std::string& name) override {
    return translated([&] { return modules_.kernel(c10::cuda::current_device(), name); });
  }

  void* kernel(const KernelKey& key) override {
    return translated([&] { return modules_.kernel(c10::cuda::current_device(), key); });
  }

  void launch(void* kernel, const LaunchShape& shape, const void* argument, size_t /*size*/) override {
    void* arguments[] = {const_cast<void*>(argument)};
    LaunchShape own = shape;
    own.early = shape.early && canBeginEarly_;
    modules_.driver().launch(static_cast<CUfunction>(kernel), own, c10::cuda::getCurrentCUDAStream(),
                             arguments);
  }

  std::unique_ptr<CapturedWork> capture(std::function<void()> body) override {
    return translated([&]() -> std::unique_ptr<CapturedWork> { return std::make_unique<Graph>(body); });
  }

  void fork(int lanes) override {
    translated([&] {
      own_ = c10::cuda::getCurrentCUDAStream();
      while (lanes_.size() < static_cast<size_t>(lanes))
        lanes_.push_back(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, own_->device_index()));
      open_ = lanes;
      const Event begun;
      begun.record();
      for (int lane = 0; lane < open_; ++lane) after(begun, lanes_[static_cast<size_t>(lane)]);
    });
  }

  void enterLane(int lane) override { c10::cuda::setCurrentCUDAStream(lanes_[static_cast<size_t>(lane)]); }

  // What fails here is a device that is lost, of which whoever reads the results hears.
  void join() noexcept override {
    try {
      for (int lane = 0; lane < open_; ++lane) {
        enterLane(lane);
        const Event ended;
        ended.record();
        after(ended, *own_);
      }
    } catch (const std::exception&) {
      cudaGetLastError();  // as check() does
    }
    c10::cuda::setCurrentCUDAStream(*own_);
  }

  std::unique_ptr<TimeMark> mark() override {
    return translated([&]() -> std::unique_ptr<TimeMark> { return std::make_unique<Mark>(); });
  }

  std::unique_ptr<StreamPoint> point() override {
    return translated([&]() -> std::unique_ptr<StreamPoint> { return std::make_unique<Point>(); });
  }

  void* stream() override { return c10::cuda::getCurrentCUDAStream().stream(); }

  std::string address() override {
    return translated([&] {
      std::array<char, 32> address{};
      check(cudaDeviceGetPCIBusId(address.data(), address.size(), c10::cuda::current_device()),
            "Asking the device");
      return std::string(address.data());
    });
  }

  // libtorch_cuda links NCCL or holds it, and is open.
  void* ncclFunction(const char* name) override {
    static void* const library = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_NOLOAD);
    return library == nullptr ? nullptr : dlsym(library, name);
  }

 private:
  static void after(const Event& event, const c10::cuda::CUDAStream& stream) {
    check(cudaStreamWaitEvent(stream, event.get(), 0), "Ordering two streams");
  }

  Modules modules_;
  // Whether the thread's device knows programmatic dependent launch.
  static inline thread_local bool canBeginEarly_ = false;
  // The thread's own stream, while lanes are open, and those that it has opened so far.
  static inline thread_local std::optional<c10::cuda::CUDAStream> own_;
  static inline thread_local std::vector<c10::cuda::CUDAStream> lanes_;
  static inline thread_local int open_ = 0;
};

}  // namespace
}  // namespace torchvae

torchvae::CudaPart* torchvae_cuda_part(int interfaceNumber) {
  if (interfaceNumber != torchvae::kCudaInterface) return nullptr;
  static torchvae::Part part;
  return &part;
}
