// Memory of the calling thread that one piece of work uses and the next one's uses again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace torchvae::cpu {

// At least `count` floats, not cleared. `Use` is an enum of a file's uses, each of which has memory besides
// the others', and ends with kUses.
template <class Use>
float* scratch(Use use, int64_t count) {
  thread_local std::vector<float> buffers[static_cast<size_t>(Use::kUses)];
  std::vector<float>& buffer = buffers[static_cast<size_t>(use)];
  if (buffer.size() < static_cast<size_t>(count)) buffer.resize(static_cast<size_t>(count));
  return buffer.data();
}

}  // namespace torchvae::cpu
