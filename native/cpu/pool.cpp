#include "cpu/pool.h"

#include <immintrin.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <system_error>
#include <utility>

namespace torchvae {
namespace {

constexpr int kIndexBits = 20;
constexpr uint64_t kIndexMask = (uint64_t{1} << kIndexBits) - 1;
// About 50 us: longer than any gap between two regions of a step, shorter than anybody notices.
constexpr int kSpins = 2000;

uint64_t beginOf(uint64_t state) {
  return state & kIndexMask;
}
uint64_t endOf(uint64_t state) {
  return (state >> kIndexBits) & kIndexMask;
}

}  // namespace

Pool::Pool(int threads, Workers workers) : shares_(static_cast<size_t>(threads < 1 ? 1 : threads)) {
  if (workers == Workers::kNone) return;
  workers_.reserve(shares_.size());
  try {
    for (size_t self = 1; self < shares_.size(); ++self) workers_.emplace_back([this, self] { work(self); });
  } catch (const std::system_error&) {
    // The system gives no more: those that there are take the others' shares too.
  }
}

Pool::~Pool() {
  stop_ = true;
  generation_.fetch_add(1);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Pool::runShared(int64_t tiles, Call call, const void* context) {
  for (; tiles > static_cast<int64_t>(kIndexMask); --tiles) call(context, tiles - 1);
  call_.store(call, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  const uint64_t generation = generation_.load(std::memory_order_relaxed) + 1;
  const auto total = static_cast<uint64_t>(tiles);
  for (size_t share = 0; share < shares_.size(); ++share) {
    const uint64_t begin = total * share / shares_.size();
    const uint64_t end = total * (share + 1) / shares_.size();
    shares_[share].state.store(generation << (2 * kIndexBits) | end << kIndexBits | begin,
                               std::memory_order_release);
  }
  generation_.store(generation);
  if (sleeping_.load() > 0) generation_.notify_all();

  while (takeTile(0)) {
  }
  for (int spin = 0; done_.load(std::memory_order_acquire) < tiles; ++spin) {
    if (spin < kSpins) {
      _mm_pause();
    } else {
      sched_yield();
    }
  }
  if (!failed_.load(std::memory_order_relaxed)) return;
  failed_.store(false, std::memory_order_relaxed);
  std::rethrow_exception(std::exchange(failure_, nullptr));
}

// The other threads still read the body's captures: nothing is thrown from here before the region has ended,
// and a worker has nobody to throw to.
void Pool::callTile(Call call, const void* context, int64_t tile) noexcept {
  try {
    call(context, tile);
  } catch (...) {
    if (!failed_.exchange(true, std::memory_order_relaxed)) failure_ = std::current_exception();
  }
}

bool Pool::takeTile(size_t self) {
  if (takeFrom(self, End::kFront)) return true;
  for (size_t other = 1; other < shares_.size(); ++other) {
    if (takeFrom((self + other) % shares_.size(), End::kBack)) return true;
  }
  return false;
}

bool Pool::takeFrom(size_t share, End end) {
  std::atomic<uint64_t>& left = shares_[share].state;
  uint64_t state = left.load(std::memory_order_acquire);
  for (;;) {
    if (beginOf(state) >= endOf(state)) return false;
    // Read before the tile is claimed: the claim fails if the region has changed since.
    const Call call = call_.load(std::memory_order_relaxed);
    const void* context = context_.load(std::memory_order_relaxed);
    const bool front = end == End::kFront;
    const uint64_t rest = front ? state + 1 : state - (uint64_t{1} << kIndexBits);
    if (left.compare_exchange_weak(state, rest, std::memory_order_acq_rel, std::memory_order_acquire)) {
      callTile(call, context, static_cast<int64_t>(front ? beginOf(state) : endOf(rest)));
      done_.fetch_add(1, std::memory_order_release);
      return true;
    }
  }
}

void Pool::work(size_t self) {
  for (;;) {
    const uint64_t seen = generation_.load(std::memory_order_acquire);
    // Asked after the generation is read: the last one, which nothing follows, must not be waited out.
    if (stop_.load()) return;
    while (takeTile(self)) {
    }
    bool changed = false;
    for (int spin = 0; spin < kSpins && !changed; ++spin) {
      _mm_pause();
      changed = generation_.load(std::memory_order_acquire) != seen;
    }
    if (!changed) {
      sleeping_.fetch_add(1);
      generation_.wait(seen);
      sleeping_.fetch_sub(1);
    }
  }
}

int defaultThreads() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
  std::set<std::string> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                       "/topology/thread_siblings_list");
    std::string siblings;
    if (!std::getline(file, siblings)) siblings = std::to_string(cpu);
    cores.insert(siblings);
  }
  return cores.empty() ? 1 : static_cast<int>(cores.size());
}

}  // namespace torchvae
