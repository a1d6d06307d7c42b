// What libtorch throws where memory ends, as the engine hands it on: here thrown by hand, since it takes a
// GPU to have it thrown otherwise.
#include "base/translate.h"

#include <cstdio>

namespace {

// The code that `thrower` comes out with.
template <class Thrower>
std::string codeOf(const Thrower& thrower) {
  try {
    torchvae::translated([&]() -> int {
      thrower();
      return 0;
    });
  } catch (const torchvae::Error& error) {
    return error.code();
  }
  return "nothing";
}

int failures = 0;

void expectCode(const char* what, const std::string& received, const char* expected) {
  std::printf("%s: %s\n", what, received.c_str());
  if (received != expected) ++failures;
}

}  // namespace

int main() {
  expectCode("c10::OutOfMemoryError, as CUDA's allocator throws it", codeOf([] {
               C10_THROW_ERROR(OutOfMemoryError, "CUDA out of memory. Tried to allocate 20.00 GiB");
             }),
             "ERR_OUT_OF_MEMORY");
  expectCode("std::bad_alloc", codeOf([] { throw std::bad_alloc(); }), "ERR_OUT_OF_MEMORY");
  expectCode("c10's CPU allocator", codeOf([] {
               TORCH_CHECK(false,
                           "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes");
             }),
             "ERR_OUT_OF_MEMORY");
  expectCode("any other error of c10", codeOf([] { TORCH_CHECK(false, "shapes"); }), "ERR_INTERNAL");
  expectCode("an error of ours", codeOf([] { throw torchvae::Error("ERR_SHAPE", "ours"); }), "ERR_SHAPE");
  return failures == 0 ? 0 : 1;
}
