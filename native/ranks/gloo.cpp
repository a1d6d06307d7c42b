#include "ranks/gloo.h"

#include <ATen/ops/zeros.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>

#include "error.h"
#include "ranks/meeting.h"

namespace torchvae {
namespace {

using Clock = std::chrono::steady_clock;

// How long the ranks wait for one that is alive, such as rank 0 while it writes a checkpoint. The end of a
// process is seen at once.
constexpr std::chrono::minutes kPatience{30};
// How long a rank that was aborted waits for the others, which abort with it at the next chance.
constexpr std::chrono::seconds kFarewell{5};
constexpr std::chrono::milliseconds kGlance{50};
// How often a rank that waits asks whether others have lost one: Gloo tells it only of those that it waits
// for.
constexpr std::chrono::seconds kDoubt{1};

class GlooRanks : public TensorRanks {
 public:
  GlooRanks(RanksSettings settings, Met met)
      : settings_(std::move(settings)), store_(std::move(met.store)), group_(std::move(met.group)) {}

  int rank() const override { return settings_.rank; }
  int size() const override { return settings_.size; }

  void sum(at::Tensor tensor, const std::atomic<bool>& abort) override {
    c10d::AllreduceOptions options;
    options.timeout = kPatience;
    viaHost(tensor, [&](std::vector<at::Tensor>& tensors) {
      together(abort, [&] { return group_->allreduce(tensors, options); });
    });
  }

  void broadcast(at::Tensor tensor, const std::atomic<bool>& abort) override {
    c10d::BroadcastOptions options;
    options.timeout = kPatience;
    viaHost(tensor, [&](std::vector<at::Tensor>& tensors) {
      together(abort, [&] { return group_->broadcast(tensors, options); });
    });
  }

  std::vector<std::string> exchange(const std::string& text, const std::atomic<bool>& abort) override {
    at::Tensor lengths = at::zeros({size()}, c10::TensorOptions().dtype(c10::kLong));
    lengths.data_ptr<int64_t>()[rank()] = static_cast<int64_t>(text.size());
    sum(lengths, abort);
    const int64_t* length = lengths.const_data_ptr<int64_t>();
    const int64_t most = std::max<int64_t>(1, *std::max_element(length, length + size()));
    at::Tensor bytes = at::zeros({size(), most}, c10::TensorOptions().dtype(c10::kByte));
    std::memcpy(bytes.data_ptr<uint8_t>() + rank() * most, text.data(), text.size());
    sum(bytes, abort);
    std::vector<std::string> texts;
    for (int i = 0; i < size(); ++i) {
      const auto* from = reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>() + i * most);
      texts.emplace_back(from, static_cast<size_t>(length[i]));
    }
    return texts;
  }

 private:
  // What Gloo takes of a tensor, and gives back.
  template <class Exchange>
  static void viaHost(const at::Tensor& tensor, const Exchange& exchange) {
    std::vector<at::Tensor> tensors{tensor.cpu()};
    exchange(tensors);
    if (!tensor.is_cpu()) tensor.copy_(tensors.front());
  }

  // Waits for a piece of work that all ranks do together.
  template <class Begin>
  void together(const std::atomic<bool>& abort, const Begin& begin) {
    if (!lost_.empty()) failRanks(lost_);
    try {
      const auto work = begin();
      await(*work->getFuture(), abort);
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      lost_ = nameOf(settings_) + " lost " + whomLost(settings_, *store_) + ": " + wordsOf(error) +
              ". Look at the errors there; start all ranks anew to go on from the last checkpoint";
      failRanks(lost_);
    }
  }

  void await(c10::ivalue::Future& future, const std::atomic<bool>& abort) {
    struct State {
      std::mutex mutex;
      std::condition_variable wake;
      bool isDone = false;
    };
    const auto state = std::make_shared<State>();
    future.addCallback([state](c10::ivalue::Future&) {
      const std::lock_guard lock(state->mutex);
      state->isDone = true;
      state->wake.notify_one();
    });
    std::unique_lock lock(state->mutex);
    auto farewell = Clock::time_point::max();
    auto doubt = Clock::now() + kDoubt;
    // By the system's clock: to wait by the other needs a glibc newer than libtorch's own.
    const auto glance = [&] {
      return state->wake.wait_until(lock, std::chrono::system_clock::now() + kGlance,
                                    [&] { return state->isDone; });
    };
    while (!glance()) {
      if (Clock::now() > doubt) {
        requireNoLoss(*store_);
        doubt = Clock::now() + kDoubt;
      }
      if (!abort.load()) continue;
      if (farewell == Clock::time_point::max()) farewell = Clock::now() + kFarewell;
      if (Clock::now() < farewell) continue;
      lost_ = nameOf(settings_) + " was aborted, and the other ranks did not answer";
      failRanks(lost_);
    }
    lock.unlock();
    if (future.hasError()) std::rethrow_exception(future.exception_ptr());
  }

  RanksSettings settings_;
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
  std::string lost_;  // why the ranks cannot go on
};

}  // namespace

std::shared_ptr<TensorRanks> joinByGloo(const RanksSettings& settings, const std::atomic<bool>& abort) {
  // Never destroyed: that would wait for work which a lost rank cannot finish.
  return {new GlooRanks(settings, meet(settings, abort)), [](TensorRanks*) {}};
}

}  // namespace torchvae
