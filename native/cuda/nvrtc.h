// Compilation of the fused kernels for the device at hand, by NVRTC, and the driver's calls that load and
// launch them. Both libraries are opened here, by name: libtorch brings the one and the driver the other, and
// no header of libtorch says how it reaches them itself.
#pragma once

#include <cuda.h>

#include <string>
#include <vector>

#include "cuda_part.h"

namespace torchvae {

class Driver {
 public:
  // Throws ERR_DEVICE where the driver's library cannot be opened.
  Driver();
  CUmodule load(const std::vector<char>& image) const;
  CUfunction function(CUmodule module, const std::string& name) const;
  // Lets the launches of a function give each block so much shared memory.
  void allowShared(CUfunction function, int64_t bytes) const;
  void launch(CUfunction function, const LaunchShape& shape, CUstream stream, void** arguments) const;

 private:
  void check(CUresult status, const char* what) const;
  decltype(&cuModuleLoadData) moduleLoadData_;
  decltype(&cuModuleGetFunction) moduleGetFunction_;
  decltype(&cuFuncSetAttribute) funcSetAttribute_;
  decltype(&cuLaunchKernelEx) launchKernel_;
  decltype(&cuGetErrorString) getErrorString_;
};

// The machine code of a program, a file of kernels/, for a capability such as 90, with definitions such as
// TORCHVAE_TYPE=float. Throws ERR_DEVICE with the compiler's words.
std::vector<char> compileProgram(int capability, const std::string& program,
                                 const std::vector<std::string>& definitions);

}  // namespace torchvae
