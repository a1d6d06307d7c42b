// Intel's intrinsics. GCC 12 warns about deliberately undefined operands in its headers (GCC bug 105593).
#pragma once

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

#define TORCHVAE_AVX512 __attribute__((target("avx512f")))
#define TORCHVAE_AVX2 __attribute__((target("avx2,fma")))

namespace torchvae {

// Whether this processor has the instructions, and libtorch has not been told by ATEN_CPU_CAPABILITY to do
// without them: then we do so too.
bool hasAvx512();
bool hasAvx2();

// Has the line brought to the first-level cache.
inline void ask(const void* line) {
  _mm_prefetch(static_cast<const char*>(line), _MM_HINT_T0);
}

}  // namespace torchvae
