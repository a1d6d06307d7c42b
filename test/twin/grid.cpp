#include "grid.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <vector>

namespace torchvae::twin {

Dim threadIdx, blockIdx, blockDim, gridDim;
bool isBackward = false;
Ranges* earlyReads = nullptr;

namespace {

constexpr unsigned kMostThreads = 1024;
constexpr size_t kStack = size_t{32} << 10;

// Counts who has come; the last one lets all go.
struct Barrier {
  unsigned expected = 0, arrived = 0, generation = 0;
};

struct Fiber {
  void* place = nullptr;  // its stack pointer while it does not run
  bool done = false;
  bool hasWaited = false;  // for the grid before
};

// Saves the registers that a call keeps and the stack pointer, goes on where `to` was saved. Library
// functions that do this save the signal mask as well, which takes longer than most threads run.
extern "C" void twinSwitch(void** from, void* to);
asm(R"(
.text
.globl twinSwitch
.type twinSwitch, @function
twinSwitch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size twinSwitch, .-twinSwitch
)");

Fiber fibers[kMostThreads];
Barrier ofBlock, ofWarp[kMostThreads / 32];
uint64_t slots[2 * kMostThreads];
constexpr size_t kWarpPlace = 4096;
alignas(16) char warpPlaces[kMostThreads / 32][2][kWarpPlace];
struct alignas(16) Vector {
  char bytes[16];
};
std::vector<Vector> shared;
const std::function<void()>* work = nullptr;
unsigned current = 0;
void* launcher = nullptr;  // the stack pointer of what runs the block

// The end of a fiber's stack. All lie in huge pages, their ends spread over the cache's sets.
char* stackEnd(unsigned index) {
  static char* const all = [] {
    constexpr size_t kAll = kStack * kMostThreads;
    void* memory = std::aligned_alloc(size_t{2} << 20, kAll);
    madvise(memory, kAll, MADV_HUGEPAGE);
    return static_cast<char*>(memory);
  }();
  return all + (index + 1) * kStack - index % 32 * 128;
}

void fiberMain();

// Leaves the stack pointer at `from`, and lets fiber `index` run.
void switchTo(unsigned index, void** from) {
  current = index;
  threadIdx = {index, 0, 0};
  Fiber& fiber = fibers[index];
  if (fiber.place == nullptr) {
    // As twinSwitch() leaves a stack: six registers, the address to return to, and a word that keeps the
    // stack aligned as after a call.
    void** top = reinterpret_cast<void**>(stackEnd(index)) - 8;
    std::fill_n(top, 8, nullptr);
    top[6] = reinterpret_cast<void*>(&fiberMain);
    fiber.place = top;
  }
  twinSwitch(from, fiber.place);
}

// Whose turn it is: warp by warp, again and again, and within a warp as long as its own barriers let it go
// on.
class Turns {
 public:
  unsigned left = 0;  // threads that have not returned

  void begin(unsigned threads) {
    left = threads_ = threads;
    warps_ = (threads + 31) / 32;
    enter(0);
  }

  // The thread after the one that has just had its turn. There must be one left.
  unsigned next() {
    for (;;) {
      for (; thread_ < end_; ++thread_) {
        if (!fibers[thread_].done) return thread_++;
      }
      enter(ofWarp[begin_ / 32].generation != generation_ ? round_ : (round_ + 1) % warps_);
    }
  }

 private:
  void enter(unsigned round) {
    round_ = round;
    begin_ = thread_ = 32 * (isBackward ? warps_ - 1 - round : round);
    end_ = std::min(threads_, begin_ + 32);
    generation_ = ofWarp[begin_ / 32].generation;
  }

  unsigned threads_ = 0, warps_ = 0, round_ = 0;
  unsigned begin_ = 0, end_ = 0, thread_ = 0, generation_ = 0;  // of the warp
};
Turns turns;

// Lets the others run until this fiber's turn comes round again.
void yield() {
  const unsigned mine = current, other = turns.next();
  if (other != mine) switchTo(other, &fibers[mine].place);
}

void fiberMain() {
  for (;;) {
    (*work)();
    fibers[current].done = true;
    --turns.left;
    // A thread that has returned takes part in no barrier any more.
    for (Barrier* barrier : {&ofBlock, &ofWarp[current / 32]}) {
      --barrier->expected;
      if (barrier->expected > 0 && barrier->arrived == barrier->expected) {
        barrier->arrived = 0;
        ++barrier->generation;
      }
    }
    if (turns.left == 0)
      twinSwitch(&fibers[current].place, launcher);
    else
      yield();
  }
}

void wait(Barrier& barrier) {
  if (++barrier.arrived == barrier.expected) {
    barrier.arrived = 0;
    ++barrier.generation;
    return;
  }
  const unsigned before = barrier.generation;
  while (barrier.generation == before) yield();
}

void runBlock(unsigned threads) {
  ofBlock = {threads, 0, 0};
  for (unsigned w = 0; w * 32 < threads; ++w) ofWarp[w] = {std::min(32u, threads - w * 32), 0, 0};
  for (unsigned i = 0; i < threads; ++i) fibers[i].done = fibers[i].hasWaited = false;
  turns.begin(threads);
  switchTo(turns.next(), &launcher);
}

}  // namespace

void runGrid(unsigned blocks, unsigned threads, size_t sharedBytes, const std::function<void()>& kernel) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  work = &kernel;
  gridDim = {blocks, 1, 1};
  blockDim = {threads, 1, 1};
  shared.resize((sharedBytes + 15) / 16);
  for (unsigned b = 0; b < blocks; ++b) {
    std::memset(shared.data(), 0xff, 16 * shared.size());
    blockIdx = {isBackward ? blocks - 1 - b : b, 0, 0};
    runBlock(threads);
  }
}

void noteRead(const void* from, size_t bytes) {
  if (earlyReads == nullptr || fibers[current].hasWaited || bytes == 0) return;
  size_t& known = (*earlyReads)[static_cast<const char*>(from)];
  known = std::max(known, bytes);
}
void noteWait() {
  fibers[current].hasWaited = true;
}

void blockBarrier() {
  wait(ofBlock);
}
void warpBarrier() {
  wait(ofWarp[threadIdx.x / 32]);
}
unsigned warpGeneration() {
  return ofWarp[threadIdx.x / 32].generation;
}
void* exchangeSlot(unsigned thread, unsigned side) {
  return &slots[2 * thread + side % 2];
}

void* warpPlace(size_t bytes) {
  if (bytes > kWarpPlace) throw std::length_error("the warp's place is too small");
  return warpPlaces[threadIdx.x / 32][warpGeneration() % 2];
}
float* dynamicShared() {
  return reinterpret_cast<float*>(shared.data());
}

}  // namespace torchvae::twin
