#include "cpu/intrinsics.h"

#include <ATen/Version.h>

namespace torchvae {

bool hasAvx512() {
  static const bool kHas =
      hasAvx2() && __builtin_cpu_supports("avx512f") != 0 && at::get_cpu_capability() != "AVX2";
  return kHas;
}

bool hasAvx2() {
  static const bool kHas = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
                           at::get_cpu_capability() != "DEFAULT";
  return kHas;
}

}  // namespace torchvae
