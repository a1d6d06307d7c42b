// The kernels of native/kernels as functions of the CPU, by name.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "cuda_part.h"

namespace torchvae::twin {

using TwinKernel = std::function<void(const void* arguments)>;

extern const std::map<std::string, TwinKernel> kTwinKernels;
// A kernel of perceptron.cu or weights.cu for these constants.
TwinKernel perceptronKernel(const KernelKey& key);

}  // namespace torchvae::twin
