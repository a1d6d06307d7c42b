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

struct Program {
  int capability;                        // such as 90
  std::string file;                      // of kernels/
  std::vector<std::string> definitions;  // such as TORCHVAE_TYPE=float
};

// All that the machine code of a program depends on, in one line. Throws ERR_DEVICE without a compiler.
std::string keyOf(const Program& program);
// Its machine code. Throws ERR_DEVICE with the compiler's words.
std::vector<char> compileProgram(const Program& program);

}  // namespace torchvae
