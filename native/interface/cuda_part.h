// What the engine asks of its CUDA part: only what libtorch_cpu cannot give. The part lies in a library of
// its own, since it links libtorch_cuda, which is not there in a CPU build of libtorch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine.h"

namespace torchvae {

// Raised whenever this file or the arguments of a kernel change; both sides must agree.
inline constexpr int kCudaInterface = 12;

// Work that was recorded once and is sent off again as a whole.
class CapturedWork {
 public:
  virtual ~CapturedWork() = default;
  // Queues the work; waits only while several earlier replays are still to run, so that an abort is not far
  // off.
  virtual void replay() = 0;
};

// A point in a stream's work, of which the device notes the time.
class TimeMark {
 public:
  virtual ~TimeMark() = default;
  // Seconds of the device from `earlier` to here; waits until the work before both is done.
  virtual double since(const TimeMark& earlier) const = 0;
};

// A point in a stream's work that the host looks for without waiting.
class StreamPoint {
 public:
  virtual ~StreamPoint() = default;
  // Moves it behind what the calling thread has queued last.
  virtual void record() = 0;
  virtual bool isReached() const = 0;
};

// A number that a program is compiled for.
struct KernelConstant {
  const char* name;
  int64_t value;
};

// One of a program's kernels, as it is compiled for these constants.
struct KernelKey {
  const char* program;  // a file of kernels/
  std::vector<KernelConstant> constants;
  const char* name;
  int64_t sharedBytes;  // at most, that its launches give to each block
};

struct LaunchShape {
  int64_t blocks;
  int threads;
  int64_t sharedBytes = 0;  // for each block, beside what the kernel itself declares
  // Whether the kernel may begin before the work queued before it has ended. It waits where it has to; on
  // devices that cannot do so it begins after it.
  bool early = false;
};

class CudaPart {
 public:
  virtual ~CudaPart() = default;

  // The usable devices. Where there is none, `reason` says why.
  virtual std::vector<DeviceInfo> devices(std::string& reason) = 0;

  // Where compiled kernels are kept from one process to the next; called before any is asked for, or never.
  virtual void keepPrograms(const std::string& folder) = 0;

  // Whether this is the twin, which runs the same kernels on the CPU, for tests.
  virtual bool onHost() const { return false; }

  // Makes `index` the calling thread's device, and a new stream the one that its work goes to. What
  // follows works on that device and that stream. Throws ERR_DEVICE where the device cannot be opened, such
  // as one that another process holds for itself; it may be tried again.
  virtual void enterThread(int index) = 0;

  // The compute capability of the thread's device, such as 90 for 9.0.
  virtual int capability() = 0;

  // A kernel of kernels/all.cu, which is compiled for the device when its first kernel is asked for.
  // Throws ERR_DEVICE with the compiler's words, or the driver's.
  virtual void* kernel(const std::string& name) = 0;
  // Likewise a kernel of another program, which is compiled once for these constants.
  virtual void* kernel(const KernelKey& key) = 0;
  // Queues `kernel`, whose only argument is the struct at `argument`.
  virtual void launch(void* kernel, const LaunchShape& shape, const void* argument, size_t size) = 0;

  // Records what `body` queues, without running it. What it allocates stays allocated as long as the record.
  // `body` may be run again for each replay, so it must own what it refers to.
  virtual std::unique_ptr<CapturedWork> capture(std::function<void()> body) = 0;

  // Lanes are streams beside the thread's own. fork() opens lanes 0, ..., `lanes` - 1, whose work begins
  // after what the thread has queued before; then what it queues goes to the lane that it entered last.
  // join() goes back to the thread's own stream, whose work begins after that of all lanes.
  virtual void fork(int lanes) = 0;
  virtual void enterLane(int lane) = 0;
  virtual void join() noexcept = 0;

  // Marks what was queued last.
  virtual std::unique_ptr<TimeMark> mark() = 0;
  virtual std::unique_ptr<StreamPoint> point() = 0;

  // For NCCL: the thread's stream, its device's place in the machine, and a function of the NCCL that
  // libtorch uses; nullptr where there is none.
  virtual void* stream() = 0;
  virtual std::string address() = 0;
  virtual void* ncclFunction(const char* name) = 0;
};

}  // namespace torchvae

// The library's only entry: nullptr unless `interfaceNumber` is the library's own kCudaInterface.
extern "C" __attribute__((visibility("default"))) torchvae::CudaPart* torchvae_cuda_part(int interfaceNumber);
