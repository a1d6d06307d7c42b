// Rows or values in ranges, spread over the pool.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/pool.h"

namespace torchvae {

// Values that a thread takes at a time where each is little work.
inline constexpr int64_t kValueRange = 4096;

// Calls body(first, last) for ranges of `range` out of `count`; the last may be shorter.
template <class Body>
void forRanges(Pool& pool, int64_t count, int64_t range, const Body& body) {
  pool.run((count + range - 1) / range,
           [&](int64_t i) { body(i * range, std::min((i + 1) * range, count)); });
}

}  // namespace torchvae
