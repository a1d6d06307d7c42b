// Whether differentiable operations are to be libtorch's alone, on this thread: ours can be differentiated
// once.
#pragma once

#include "base/context.h"

namespace torchvae {

// While one lives, fused operations give way to libtorch's.
class PlainOperations {
 public:
  explicit PlainOperations(bool wanted) : before_(isWanted()) { isWanted() = before_ || wanted; }
  ~PlainOperations() { isWanted() = before_; }
  PlainOperations(const PlainOperations&) = delete;
  PlainOperations& operator=(const PlainOperations&) = delete;

  // Whether the CPU's own kernels serve a model's operations.
  static bool served(const Context& context) {
    return context.tiledProducts() && !context.bf16 && !isWanted();
  }

 private:
  static bool& isWanted() {
    thread_local bool wanted = false;
    return wanted;
  }
  bool before_;
};

}  // namespace torchvae
