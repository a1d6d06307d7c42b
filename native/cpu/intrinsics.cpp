#include "cpu/intrinsics.h"

#include <ATen/Version.h>

#include <string>

namespace torchvae {
namespace {

bool isWithheld(const char* one, const char* other) {
  const std::string capability = at::get_cpu_capability();
  return capability == one || capability == other;
}

}  // namespace

bool hasAvx512() {
  static const bool kHas = __builtin_cpu_supports("avx512f") != 0 && !isWithheld("DEFAULT", "AVX2");
  return kHas;
}

bool hasAvx2() {
  static const bool kHas = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
                           !isWithheld("DEFAULT", "DEFAULT");
  return kHas;
}

}  // namespace torchvae
