#include "ranks/nccl.h"

#include <chrono>
#include <climits>
#include <stdexcept>
#include <thread>

#include "error.h"

namespace torchvae {
namespace {

using Clock = std::chrono::steady_clock;

// How long a rank waits for one that is alive.
constexpr std::chrono::minutes kPatience{30};
// While it is young, a wait asks without a pause: most end within a step's time.
constexpr std::chrono::milliseconds kYouth{20};
constexpr std::chrono::microseconds kPause{200};

// ncclResult_t, ncclRedOp_t
constexpr int kSuccess = 0;
constexpr int kInProgress = 7;
constexpr int kSum = 0;

// The first version that does not block.
constexpr int kLeastVersion = 21400;

int typeOf(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case c10::kByte:
      return 1;
    case c10::kInt:
      return 2;
    case c10::kLong:
      return 4;
    case c10::kFloat:
      return 7;
    case c10::kDouble:
      return 8;
    case c10::kBFloat16:
      return 9;
    default:
      throw Error("ERR_INTERNAL", "Ranks exchange no tensors of this type");
  }
}

void requireContiguous(const at::Tensor& tensor) {
  if (!tensor.is_contiguous()) throw Error("ERR_INTERNAL", "Ranks exchange contiguous tensors alone");
}

// Asks `isDone` again and again, for `wait`.
class Glances {
 public:
  explicit Glances(std::function<bool()> isDone) : isDone_(std::move(isDone)) {}

  bool operator()() const {
    if (isDone_()) return true;
    const auto age = Clock::now() - begun_;
    if (age > kPatience) throw std::runtime_error("it did not answer for 30 minutes");
    if (age < kYouth) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(kPause);
    }
    return false;
  }

 private:
  std::function<bool()> isDone_;
  Clock::time_point begun_ = Clock::now();
};

}  // namespace

// The beginning of ncclConfig_t, as it was in the version that it names: NCCL takes its own defaults for what
// came later.
struct Nccl::Config {
  size_t size = sizeof(Config);
  unsigned magic = 0xcafebeef;
  unsigned version = kLeastVersion;
  int blocking = 0;
  int cgaClusterSize = INT_MIN;  // undefined
};

std::optional<Nccl> Nccl::find(CudaPart& part) {
  Nccl nccl;
  bool isWhole = true;
  const auto take = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(part.ncclFunction(name));
    isWhole = isWhole && function != nullptr;
  };
#define TORCHVAE_TAKE(name, ...) take(nccl.name##_, "nccl" #name);
  TORCHVAE_NCCL_FUNCTIONS(TORCHVAE_TAKE)
#undef TORCHVAE_TAKE
  take(nccl.GetErrorString_, "ncclGetErrorString");
  int version = 0;
  if (!isWhole || nccl.GetVersion_(&version) != kSuccess || version < kLeastVersion) return std::nullopt;
  take(nccl.GetLastError_, "ncclGetLastError");
  return nccl;
}

std::string Nccl::version() const {
  int code = 0;
  check(GetVersion_(&code), "ncclGetVersion");
  return std::to_string(code / 10000) + "." + std::to_string(code % 10000 / 100) + "." +
         std::to_string(code % 100);
}

NcclId Nccl::newId() const {
  NcclId id{};
  check(GetUniqueId_(&id), "ncclGetUniqueId");
  return id;
}

void Nccl::check(Result result, const char* what, Comm comm) const {
  if (result == kSuccess) return;
  std::string words = std::string(what) + " says: " + GetErrorString_(result);
  const char* last = GetLastError_ == nullptr ? nullptr : GetLastError_(comm);
  if (last != nullptr && *last != 0) words += std::string(" (") + last + ")";
  throw std::runtime_error(words);
}

Communicator::Communicator(const Nccl& nccl, CudaPart& part, const NcclId& id, int rank, int size,
                           const Wait& wait)
    : nccl_(nccl), part_(part), point_(part.point()) {
  Nccl::Config config;
  const char* what = "ncclCommInitRankConfig";
  try {
    settle(nccl_.CommInitRankConfig_(&comm_, size, id, rank, &config), what, wait);
  } catch (...) {
    if (comm_ != nullptr) nccl_.CommAbort_(comm_);
    throw;
  }
}

Communicator::~Communicator() {
  nccl_.CommAbort_(comm_);
}

void Communicator::sum(const at::Tensor& tensor, const Wait& wait) {
  requireContiguous(tensor);
  void* data = tensor.data_ptr();
  settle(nccl_.AllReduce_(data, data, static_cast<size_t>(tensor.numel()), typeOf(tensor), kSum, comm_,
                          part_.stream()),
         "ncclAllReduce", wait);
}

void Communicator::broadcast(const at::Tensor& tensor, const Wait& wait) {
  requireContiguous(tensor);
  void* data = tensor.data_ptr();
  settle(nccl_.Broadcast_(data, data, static_cast<size_t>(tensor.numel()), typeOf(tensor), 0, comm_,
                          part_.stream()),
         "ncclBroadcast", wait);
}

void Communicator::await(const Wait& wait) {
  point_->record();
  wait(Glances([this] {
    nccl_.check(state(), "NCCL", comm_);
    return point_->isReached();
  }));
}

void Communicator::settle(int result, const char* what, const Wait& wait) {
  if (result == kInProgress) {
    wait(Glances([&] { return (result = state()) != kInProgress; }));
  }
  nccl_.check(result, what, comm_);
}

int Communicator::state() const {
  int result = kSuccess;
  nccl_.check(nccl_.CommGetAsyncError_(comm_, &result), "ncclCommGetAsyncError", comm_);
  return result;
}

}  // namespace torchvae
