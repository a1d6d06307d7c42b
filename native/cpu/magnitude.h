// The largest magnitude in a matrix, found while its tiles are made.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

#include "cpu/vector.h"

namespace torchvae {

// Magnitudes are compared as their bits, which order like the numbers and put infinity and NaN above all of
// them.
class Magnitude {
 public:
  Magnitude() = default;
  Magnitude(const Magnitude& other) : bits_(other.bits_.load()) {}
  Magnitude& operator=(const Magnitude& other) {
    bits_ = other.bits_.load();
    return *this;
  }

  void reset() { bits_.store(0, std::memory_order_relaxed); }
  void set(float magnitude) { bits_.store(std::bit_cast<uint32_t>(magnitude), std::memory_order_relaxed); }

  // May be called from several threads: a maximum does not depend on their order.
  void include(uint32_t bits) {
    uint32_t known = bits_.load(std::memory_order_relaxed);
    while (bits > known && !bits_.compare_exchange_weak(known, bits, std::memory_order_relaxed)) {
    }
  }

  // Infinite or NaN where an element was.
  float value() const { return std::bit_cast<float>(bits_.load(std::memory_order_relaxed)); }

 private:
  std::atomic<uint32_t> bits_{0};
};

TORCHVAE_INLINE uint32_t magnitudeBits(float x) {
  return std::bit_cast<uint32_t>(x) & 0x7fffffffu;
}

// Of rows of `columns` values, `stride` apart.
uint32_t largestMagnitudeBits(const float* values, int64_t rows, int64_t columns, int64_t stride);

}  // namespace torchvae
