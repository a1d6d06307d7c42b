// Compilation of the fused kernels for the device at hand, by NVRTC, and the driver's calls that load and
// launch them. Both libraries are opened here, by name: libtorch brings the one and the driver the other, and
// no header of libtorch says how it reaches them itself.
#pragma once

#include <cuda.h>

#include <string>
#include <vector>

namespace torchvae {

class Driver {
 public:
  // Throws ERR_DEVICE where the driver's library cannot be opened.
  Driver();
  CUmodule load(const std::vector<char>& image) const;
  CUfunction function(CUmodule module, const std::string& name) const;
  void launch(CUfunction function, unsigned blocks, unsigned threads, CUstream stream,
              void** arguments) const;

 private:
  void check(CUresult status, const char* what) const;
  decltype(&cuModuleLoadData) moduleLoadData_;
  decltype(&cuModuleGetFunction) moduleGetFunction_;
  decltype(&cuLaunchKernel) launchKernel_;
  decltype(&cuGetErrorString) getErrorString_;
};

// The machine code of the kernels of one suffix (_f32, _bf16, _f64) for a capability such as 90. Throws
// ERR_DEVICE with the compiler's words.
std::vector<char> compileKernels(int capability, const std::string& suffix);

}  // namespace torchvae
