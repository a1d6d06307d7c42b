// The kernels of native/kernels as functions of the CPU, by name.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "cuda_part.h"

namespace torchvae::twin {

using TwinKernel = std::function<void(const void* arguments)>;

extern const std::map<std::string, TwinKernel> kTwinKernels;
// A kernel of block.cu, perceptron.cu or weights.cu for these constants.
TwinKernel kernelOfProgram(const KernelKey& key);

// A lane's registers of one product of a warp.
struct LaneRegisters {
  uint32_t a[4], b[2];
  float c[4];
};
// The product m16n8k16 of bf16 where `pairs` is set, else m16n8k8 of tf32.
void multiplyFragments(bool pairs, LaneRegisters (&lanes)[32]);

}  // namespace torchvae::twin
