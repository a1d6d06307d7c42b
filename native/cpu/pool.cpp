#include "cpu/pool.h"

#include <immintrin.h>
#include <sched.h>

#include <fstream>
#include <set>
#include <string>

namespace torchvae {
namespace {

constexpr int kIndexBits = 20;
constexpr uint64_t kIndexMask = (uint64_t{1} << kIndexBits) - 1;
// About 50 us: longer than any gap between two regions of a step, shorter than anybody notices.
constexpr int kSpins = 2000;

uint64_t nextOf(uint64_t state) {
  return state & kIndexMask;
}
uint64_t tilesOf(uint64_t state) {
  return (state >> kIndexBits) & kIndexMask;
}
uint64_t generationOf(uint64_t state) {
  return state >> (2 * kIndexBits);
}

}  // namespace

Pool::Pool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
}

Pool::~Pool() {
  stop_ = true;
  state_.fetch_add(uint64_t{1} << (2 * kIndexBits));
  state_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Pool::runShared(int64_t tiles, Call call, const void* context) {
  for (; tiles > static_cast<int64_t>(kIndexMask); --tiles) call(context, tiles - 1);
  call_.store(call, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  const uint64_t generation = generationOf(state_.load(std::memory_order_relaxed)) + 1;
  state_.store(generation << (2 * kIndexBits) | static_cast<uint64_t>(tiles) << kIndexBits);
  if (sleeping_.load() > 0) state_.notify_all();

  while (takeTile()) {
  }
  for (int spin = 0; done_.load(std::memory_order_acquire) < tiles; ++spin) {
    if (spin < kSpins) {
      _mm_pause();
    } else {
      sched_yield();
    }
  }
}

bool Pool::takeTile() {
  uint64_t state = state_.load(std::memory_order_acquire);
  for (;;) {
    if (nextOf(state) >= tilesOf(state)) return false;
    // Read before the tile is claimed: the claim fails if the region has changed since.
    const Call call = call_.load(std::memory_order_relaxed);
    const void* context = context_.load(std::memory_order_relaxed);
    if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel,
                                     std::memory_order_acquire)) {
      call(context, static_cast<int64_t>(nextOf(state)));
      done_.fetch_add(1, std::memory_order_release);
      return true;
    }
  }
}

void Pool::work() {
  for (;;) {
    while (takeTile()) {
    }
    const uint64_t seen = state_.load(std::memory_order_acquire);
    if (nextOf(seen) < tilesOf(seen)) continue;
    bool changed = false;
    for (int spin = 0; spin < kSpins && !changed; ++spin) {
      _mm_pause();
      changed = generationOf(state_.load(std::memory_order_acquire)) != generationOf(seen);
    }
    if (!changed) {
      sleeping_.fetch_add(1);
      state_.wait(seen);
      sleeping_.fetch_sub(1);
    }
    if (stop_.load()) return;
  }
}

int defaultThreads() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
    return static_cast<int>(std::thread::hardware_concurrency());
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
