#include "base/memory.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "error.h"

namespace torchvae {
at::Tensor zeroed(const Context& context, at::IntArrayRef sizes) {
  size_t bytes = c10::elementSize(context.dtype);
  for (int64_t n : sizes) bytes *= static_cast<size_t>(n);
  if (!context.device.is_cpu() || bytes < kHugePage / 8) return at::zeros(sizes, context.options());

  const size_t rounded = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  void* memory = std::aligned_alloc(kHugePage, rounded);
  if (memory == nullptr) {
    throw Error("ERR_OUT_OF_MEMORY", "The host has no " + std::to_string(bytes >> 20) +
                                         " MiB left for the model's buffers; use a smaller model or batch");
  }
  madvise(memory, rounded, MADV_HUGEPAGE);
  std::memset(memory, 0, bytes);
  return at::from_blob(
      memory, sizes, [](void* block) { std::free(block); }, context.options());
}

}  // namespace torchvae
