// A CUDA part that computes on the CPU: the device 'cpu' of an engine that it is attached to runs the
// kernels, the executor and its graphs as a GPU would, with libtorch's CPU for the products between them. A
// captured graph is its steps' own code, run again for every replay.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "cuda_part.h"
#include "grid.h"
#include "kernels.h"

namespace torchvae::twin {

class TwinPart : public CudaPart {
 public:
  std::vector<DeviceInfo> devices(std::string& reason) override;
  void keepPrograms(const std::string& /*folder*/) override {}
  bool onHost() const override { return true; }
  void enterThread(int /*index*/) override {}
  int capability() override { return shownCapability; }
  void* kernel(const std::string& name) override;
  void* kernel(const KernelKey& key) override;
  void launch(void* kernel, const LaunchShape& shape, const void* argument, size_t size) override;
  void fork(int lanes) override;
  void enterLane(int lane) override;
  void join() noexcept override;
  std::unique_ptr<CapturedWork> capture(std::function<void()> body) override;
  std::unique_ptr<TimeMark> mark() override;
  // Of what NCCL computes: all else is done when it was queued.
  std::unique_ptr<StreamPoint> point() override;
  void* stream() override { return nullptr; }
  std::string address() override;
  void* ncclFunction(const char* name) override;

  int shownCapability = 90;
  int64_t launches = 0;  // of kernels
  int64_t captures = 0;
  int64_t replays = 0;
  // Of lanes: how many were open at most, kernels that went to each, turns from one to another.
  int64_t mostLanes = 0, turns = 0;
  std::map<int, int64_t> launchesOf;
  std::function<void()> onTurn{};
  std::function<void()> onReplay{};  // after each
  int64_t failCaptureIn = 0;         // the count of captures of which the last fails; 0 for none
  // What lanes are given waits until they are joined, and then runs in an order that this draws: a kernel of
  // one lane after another's, as a device might. Only our own kernels wait.
  std::function<uint32_t()> drawLane{};

  // From here on, fails where a kernel copies something before it waits that the kernel before it has
  // changed: on a device it could find what was there before. Of a pair of kernels it knows once it has seen
  // them. Forgets what it has seen.
  void watchEarlyReads(bool isWatched);

 private:
  void launchNow(void* kernel, const LaunchShape& shape, const std::vector<char>& argument);
  void launchWatched(void* kernel, bool isEarly, const std::function<void()>& run);

  std::map<std::string, TwinKernel> known_;
  int open_ = 0, lane_ = -1;
  std::map<int, std::deque<std::function<void()>>> waiting_;  // by lane
  bool isWatched_ = false;
  void* last_ = nullptr;               // the kernel that was launched last
  std::map<void*, Ranges> readAfter_;  // by a kernel: what those that followed it have read early
};

}  // namespace torchvae::twin
