#include "part.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <utility>
#include <vector>

#include "error.h"
#include "grid.h"
#include "kernels.h"

namespace torchvae::twin {
namespace {

class Recorded : public CapturedWork {
 public:
  Recorded(TwinPart& part, std::function<void()> body) : part_(part), body_(std::move(body)) {}
  void replay() override {
    ++part_.replays;
    body_();
    if (part_.onReplay) part_.onReplay();
  }

 private:
  TwinPart& part_;
  std::function<void()> body_;
};

class HostMark : public TimeMark {
 public:
  double since(const TimeMark& earlier) const override {
    return std::chrono::duration<double>(at_ - static_cast<const HostMark&>(earlier).at_).count();
  }

 private:
  std::chrono::steady_clock::time_point at_ = std::chrono::steady_clock::now();
};

// The fake NCCL says whether it has done what it was asked for.
class NcclPoint : public StreamPoint {
 public:
  explicit NcclPoint(TwinPart& part)
      : isIdle_(reinterpret_cast<int (*)()>(part.ncclFunction("fakeNcclIsIdle"))) {}
  void record() override {}
  bool isReached() const override { return isIdle_() != 0; }

 private:
  int (*isIdle_)();
};

}  // namespace

std::unique_ptr<TimeMark> TwinPart::mark() {
  return std::make_unique<HostMark>();
}

std::unique_ptr<StreamPoint> TwinPart::point() {
  return std::make_unique<NcclPoint>(*this);
}

// Each process has another GPU, unless the test says so.
std::string TwinPart::address() {
  const char* gpu = std::getenv("TORCHVAE_TWIN_GPU");
  return gpu != nullptr ? gpu : std::to_string(getpid());
}

void* TwinPart::ncclFunction(const char* name) {
  const char* path = std::getenv("TORCHVAE_TWIN_NCCL");
  static void* const library = path == nullptr ? nullptr : dlopen(path, RTLD_NOW);
  return library == nullptr ? nullptr : dlsym(library, name);
}

std::vector<DeviceInfo> TwinPart::devices(std::string& reason) {
  reason = "this engine computes a GPU's kernels on the CPU";
  return {};
}

void* TwinPart::kernel(const std::string& name) {
  const auto found = kTwinKernels.find(name);
  if (found == kTwinKernels.end()) throw Error("ERR_INTERNAL", "No kernel is named " + name);
  return const_cast<TwinKernel*>(&found->second);
}

void* TwinPart::kernel(const KernelKey& key) {
  std::string text = std::string(key.program) + " " + key.name;
  for (const KernelConstant& constant : key.constants)
    text += std::string(" ") + constant.name + "=" + std::to_string(constant.value);
  const auto [place, isNew] = known_.try_emplace(text);
  if (isNew) place->second = kernelOfProgram(key);
  return &place->second;
}

void TwinPart::launch(void* kernel, const LaunchShape& shape, const void* argument, size_t size) {
  ++launches;
  // A kernel gets a copy of its arguments, as on a device.
  const auto* from = static_cast<const char*>(argument);
  std::vector<char> copy(from, from + size);
  if (open_ == 0) return launchNow(kernel, shape, copy);
  if (lane_ < 0) throw Error("ERR_INTERNAL", "Lanes are open, and a kernel was given to none");
  ++launchesOf[lane_];
  if (!drawLane) return launchNow(kernel, shape, copy);
  waiting_[lane_].push_back(
      [this, kernel, shape, copy = std::move(copy)] { launchNow(kernel, shape, copy); });
}

void TwinPart::fork(int lanes) {
  if (open_ != 0 || lanes < 2) throw Error("ERR_INTERNAL", "Lanes are open, or no two were asked for");
  open_ = lanes;
  mostLanes = std::max<int64_t>(mostLanes, lanes);
}

void TwinPart::enterLane(int lane) {
  if (lane < 0 || lane >= open_) throw Error("ERR_INTERNAL", "There is no such lane");
  if (lane != lane_) ++turns;
  if (onTurn) onTurn();
  lane_ = lane;
}

void TwinPart::join() noexcept {
  open_ = 0;
  lane_ = -1;
  while (!waiting_.empty()) {
    const auto lane = std::next(waiting_.begin(), drawLane() % static_cast<uint32_t>(waiting_.size()));
    lane->second.front()();
    lane->second.pop_front();
    if (lane->second.empty()) waiting_.erase(lane);
  }
}

void TwinPart::launchNow(void* kernel, const LaunchShape& shape, const std::vector<char>& argument) {
  const TwinKernel& run = *static_cast<const TwinKernel*>(kernel);
  const auto runAll = [&] {
    runGrid(static_cast<unsigned>(shape.blocks), static_cast<unsigned>(shape.threads),
            static_cast<size_t>(shape.sharedBytes), [&] { run(argument.data()); });
  };
  isWatched_ ? launchWatched(kernel, shape.early, runAll) : runAll();
}

void TwinPart::watchEarlyReads(bool isWatched) {
  isWatched_ = isWatched;
  last_ = nullptr;
  readAfter_.clear();
}

void TwinPart::launchWatched(void* kernel, bool isEarly, const std::function<void()>& run) {
  std::vector<std::pair<Ranges::value_type, std::string>> before;
  for (const auto& range : readAfter_[kernel])
    before.emplace_back(range, std::string(range.first, range.second));
  Ranges own;
  earlyReads = isEarly ? &own : nullptr;
  run();
  earlyReads = nullptr;
  for (const auto& [range, bytes] : before) {
    if (std::memcmp(range.first, bytes.data(), range.second) != 0)
      throw Error("ERR_INTERNAL", "A kernel reads early what the one before it writes");
  }
  if (last_ != nullptr) readAfter_[last_].merge(own);
  last_ = kernel;
}

std::unique_ptr<CapturedWork> TwinPart::capture(std::function<void()> body) {
  if (++captures == failCaptureIn) throw Error("ERR_DEVICE", "Capture failed");
  return std::make_unique<Recorded>(*this, std::move(body));
}

}  // namespace torchvae::twin
