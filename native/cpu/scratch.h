// Memory of the calling thread that one piece of work uses and the next one's uses again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace torchvae::cpu {

// At least `count` floats, not cleared, from the beginning of a cache line on. `Use` is an enum of a file's
// uses, each of which has memory besides the others', and ends with kUses.
template <class Use>
float* scratch(Use use, int64_t count) {
  constexpr size_t kLine = 64;
  thread_local std::vector<float> buffers[static_cast<size_t>(Use::kUses)];
  std::vector<float>& buffer = buffers[static_cast<size_t>(use)];
  const size_t wanted = static_cast<size_t>(count) + kLine / sizeof(float);
  if (buffer.size() < wanted) buffer.resize(wanted);
  void* data = buffer.data();
  size_t room = buffer.size() * sizeof(float);
  return static_cast<float*>(std::align(kLine, static_cast<size_t>(count) * sizeof(float), data, room));
}

}  // namespace torchvae::cpu
