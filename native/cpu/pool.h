// A thread pool for regions of a few microseconds.
//
// Threads take tiles from a shared counter, and a region ends when its tiles are done, not when its threads
// have met: a thread that the operating system has put aside holds up nobody but the one tile it carries. (An
// OpenMP barrier waits for every thread, and collapses when another process takes a core.)
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace torchvae {

class Pool {
 public:
  // With kNone, this thread does the shares of all `threads`: the same parts of the same sums, so the same
  // bits.
  enum class Workers { kShared, kNone };

  explicit Pool(int threads, Workers workers = Workers::kShared);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // How many shares the work is divided into; results depend on it.
  int threads() const { return static_cast<int>(shares_.size()); }

  // Calls body(tile) for every tile in [0, tiles), on this thread and the workers, and returns when all are
  // done. Called by one thread only. The body must not call run(). The first of the exceptions that it throws
  // comes out of here; the other tiles may have been taken or not.
  template <class Body>
  void run(int64_t tiles, const Body& body) {
    if (tiles <= 1 || workers_.empty()) {
      for (int64_t tile = 0; tile < tiles; ++tile) body(tile);
      return;
    }
    runShared(
        tiles, [](const void* context, int64_t tile) { (*static_cast<const Body*>(context))(tile); }, &body);
  }

 private:
  using Call = void (*)(const void*, int64_t);
  enum class End : uint8_t { kFront, kBack };

  void runShared(int64_t tiles, Call call, const void* context);
  bool takeTile(size_t self);
  bool takeFrom(size_t share, End end);
  void callTile(Call call, const void* context, int64_t tile) noexcept;
  void work(size_t self);

  // generation << 40 | end << 20 | begin of the tiles left, so that a late thread can never take a tile of a
  // region it did not see begin.
  struct alignas(64) Share {
    std::atomic<uint64_t> state{0};
  };
  std::vector<Share> shares_;
  alignas(64) std::atomic<int64_t> done_{0};
  alignas(64) std::atomic<uint64_t> generation_{0};
  std::atomic<Call> call_{nullptr};
  std::atomic<const void*> context_{nullptr};
  std::atomic<bool> failed_{false};  // in the present region; whoever sets it writes failure_
  std::exception_ptr failure_;
  std::atomic<int> sleeping_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

// Logical processors that this process may run on, halved where two share a core.
int defaultThreads();

}  // namespace torchvae
