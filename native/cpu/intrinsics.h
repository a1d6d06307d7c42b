// Intel's intrinsics. GCC 12 warns about deliberately undefined operands in its headers (GCC bug 105593).
#pragma once

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

#define TORCHVAE_AVX512 __attribute__((target("avx512f")))

namespace torchvae {

// Whether this processor has the instructions.
inline const bool kHasAvx512 = __builtin_cpu_supports("avx512f") != 0;

// Has the line brought to the first-level cache.
inline void ask(const void* line) {
  _mm_prefetch(static_cast<const char*>(line), _MM_HINT_T0);
}

}  // namespace torchvae
