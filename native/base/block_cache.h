// Memory of libtorch's tensors on the CPU that stays: large blocks that are freed wait for the next request
// of their size instead of going back to the system, which would clear every page anew in each step.
#pragma once

namespace torchvae {

// Has libtorch's CPU tensors of this process use the cache; calls after the first do nothing.
void keepBlocks();

}  // namespace torchvae
