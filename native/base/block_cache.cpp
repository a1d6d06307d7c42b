#include "base/block_cache.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/memory.h"

namespace torchvae {
namespace {

constexpr size_t kLine = 64;                    // what libtorch aligns to; also the room for a block's header
constexpr size_t kSmallest = size_t{64} << 10;  // below, malloc is as quick

// Sizes are rounded up to one of eight between two powers of two, so that batches of nearly one size share
// blocks.
size_t roundedSize(size_t bytes) {
  const size_t unit = std::max(kSmallest, std::bit_floor(bytes) / 8);
  return (bytes + unit - 1) / unit * unit;
}

// A fraction of the memory of the machine.
size_t mostCached() {
  const auto pages = static_cast<size_t>(std::max(0L, sysconf(_SC_PHYS_PAGES)));
  return std::min(size_t{2} << 30, pages * static_cast<size_t>(sysconf(_SC_PAGESIZE)) / 8);
}

class BlockCache : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &release, c10::Device(c10::kCPU)};
    const size_t size = bytes + kLine < kSmallest ? 0 : roundedSize(bytes + kLine);
    void* block = size == 0 ? nullptr : take(size);
    if (block == nullptr) block = newBlock(size == 0 ? bytes + kLine : size, size);
    void* data = static_cast<char*>(block) + kLine;
    return {data, data, &release, c10::Device(c10::kCPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t count) const override {
    std::memcpy(to, from, count);
  }

  static BlockCache& instance() {
    // Never destroyed: tensors of other statics may outlive it.
    static auto* const kCache = new BlockCache;
    return *kCache;
  }

 private:
  // Lies in front of the data.
  struct Header {
    size_t size;  // of the whole block; 0 for a small one
  };

  static void* newBlock(size_t bytes, size_t size) {
    const size_t alignment = bytes >= kHugePage ? kHugePage : kLine;
    void* block = nullptr;
    if (posix_memalign(&block, alignment, (bytes + kLine - 1) / kLine * kLine) != 0) throw std::bad_alloc();
    if (bytes >= kHugePage) madvise(block, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
    static_cast<Header*>(block)->size = size;
    return block;
  }

  static void release(void* data) {
    if (data == nullptr) return;
    void* block = static_cast<char*>(data) - kLine;
    const size_t size = static_cast<Header*>(block)->size;
    if (size == 0 || !instance().put(block, size)) std::free(block);
  }

  void* take(size_t size) {
    const std::lock_guard lock(mutex_);
    const auto found = free_.find(size);
    if (found == free_.end() || found->second.empty()) return nullptr;
    void* block = found->second.back();
    found->second.pop_back();
    cached_ -= size;
    return block;
  }

  bool put(void* block, size_t size) {
    const std::lock_guard lock(mutex_);
    if (cached_ + size > most_) return false;
    free_[size].push_back(block);
    cached_ += size;
    return true;
  }

  std::mutex mutex_;
  std::unordered_map<size_t, std::vector<void*>> free_;  // blocks by their size
  size_t cached_ = 0;
  const size_t most_ = mostCached();
};

}  // namespace

void keepBlocks() {
  static const bool kSet = [] {
    c10::SetCPUAllocator(&BlockCache::instance(), 1);
    return true;
  }();
  (void)kSet;
}

}  // namespace torchvae
