// What the engine asks of its CUDA part: only what libtorch_cpu cannot give. The part lies in a library of
// its own, since it links libtorch_cuda, which is not there in a CPU build of libtorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine.h"

namespace torchvae {

// Raised whenever this file changes; both sides must agree.
inline constexpr int kCudaInterface = 1;

class CudaPart {
 public:
  virtual ~CudaPart() = default;

  // The usable devices. Where there is none, `reason` says why.
  virtual std::vector<DeviceInfo> devices(std::string& reason) = 0;

  // Makes `index` the calling thread's device, and a stream of its own the one that its work goes to.
  virtual void enterThread(int index) = 0;

  // Waits for all work of the calling thread's stream.
  virtual void synchronise() = 0;
};

}  // namespace torchvae

// The library's only entry: nullptr unless `interfaceNumber` is the library's own kCudaInterface.
extern "C" __attribute__((visibility("default"))) torchvae::CudaPart* torchvae_cuda_part(int interfaceNumber);
