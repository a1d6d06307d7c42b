#include "ranks/gloo.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "ranks/meeting.h"

namespace torchvae {
namespace {

// How long the ranks wait for one that is alive, such as rank 0 while it writes a checkpoint. The end of a
// process is seen at once.
constexpr std::chrono::minutes kPatience{30};
constexpr std::chrono::milliseconds kGlance{50};

// Waits for a message that is never sent, from the rank before this one: it fails when that process ends.
// Each rank so watches another, and whoever sees one end tells the others by the store.
class Sentry {
 public:
  explicit Sentry(c10::intrusive_ptr<c10d::ProcessGroupGloo> group) {
    const int watched = (group->getRank() + group->getSize() - 1) % group->getSize();
    std::thread([seen = seen_, group = std::move(group), watched] {
      const std::string words = watch(*group, watched);
      const std::lock_guard lock(seen->mutex);
      seen->words = words;
    }).detach();
  }

  void requireWatched() const {
    const std::lock_guard lock(seen_->mutex);
    if (!seen_->words.empty()) throw std::runtime_error(seen_->words);
  }

 private:
  struct Seen {
    std::mutex mutex;
    std::string words;
  };

  static std::string watch(c10d::ProcessGroupGloo& group, int watched) {
    constexpr int kTagNeverSent = 1 << 30;
    constexpr std::chrono::hours kLonger{24 * 365 * 10};
    try {
      std::vector<at::Tensor> message{at::zeros({1}, c10::TensorOptions().dtype(c10::kByte))};
      group.recv(message, watched, kTagNeverSent)->wait(kLonger);
      return "it sent what it never sends";
    } catch (const std::exception& error) {
      return wordsOf(error);
    }
  }

  std::shared_ptr<Seen> seen_ = std::make_shared<Seen>();
};

class GlooRanks : public HostRanks {
 public:
  GlooRanks(const RanksSettings& settings, Met met)
      : rank_(settings.rank),
        size_(settings.size),
        group_(std::move(met.group)),
        vigil_(
            nameOf(settings),
            [this, store = met.store] {
              requireNoLoss(*store);
              if (sentry_) sentry_->requireWatched();
            },
            [settings, store = met.store] { return whomLost(settings, *store); }) {}

  Vigil& vigil() override { return vigil_; }
  void postSentry() override {
    if (!sentry_ && size_ > 1) sentry_ = std::make_unique<Sentry>(group_);
  }

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
    at::Tensor lengths = at::zeros({size_}, c10::TensorOptions().dtype(c10::kLong));
    lengths.data_ptr<int64_t>()[rank_] = static_cast<int64_t>(text.size());
    sum(lengths, abort);
    const int64_t* length = lengths.const_data_ptr<int64_t>();
    const int64_t most = std::max<int64_t>(1, *std::max_element(length, length + size_));
    at::Tensor bytes = at::zeros({size_, most}, c10::TensorOptions().dtype(c10::kByte));
    std::memcpy(bytes.data_ptr<uint8_t>() + rank_ * most, text.data(), text.size());
    sum(bytes, abort);
    std::vector<std::string> texts;
    for (int i = 0; i < size_; ++i) {
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
    vigil_.together([&] {
      const auto work = begin();
      await(*work->getFuture(), abort);
    });
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
    // By the system's clock: to wait by the other needs a glibc newer than libtorch's own.
    const auto glance = [&] {
      return state->wake.wait_until(lock, std::chrono::system_clock::now() + kGlance,
                                    [&] { return state->isDone; });
    };
    vigil_.wait(glance, abort);
    lock.unlock();
    if (future.hasError()) std::rethrow_exception(future.exception_ptr());
  }

  int rank_, size_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
  std::unique_ptr<Sentry> sentry_;
  Vigil vigil_;
};

}  // namespace

std::shared_ptr<HostRanks> joinByGloo(const RanksSettings& settings, const std::atomic<bool>& abort) {
  // Never destroyed: that would wait for work which a lost rank cannot finish.
  return {new GlooRanks(settings, meet(settings, abort)), [](HostRanks*) {}};
}

}  // namespace torchvae
