// The kernels of native/kernels as functions of the CPU, by name.
#pragma once

#include <map>
#include <string>

namespace torchvae::twin {

using TwinKernel = void (*)(const void* arguments);

extern const std::map<std::string, TwinKernel> kTwinKernels;

}  // namespace torchvae::twin
