#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include "cuda_part.h"
#include "translate.h"

namespace torchvae {
namespace {

DeviceInfo describe(int index) {
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, index) != cudaSuccess) return {"unknown", 0, ""};
  return {properties.name, static_cast<int64_t>(properties.totalGlobalMem),
          std::to_string(properties.major) + "." + std::to_string(properties.minor)};
}

class Part : public CudaPart {
 public:
  std::vector<DeviceInfo> devices(std::string& reason) override {
    return translated([&] {
      int count = 0;
      const cudaError_t status = cudaGetDeviceCount(&count);
      if (status != cudaSuccess || count == 0) {
        cudaGetLastError();  // the error is told here, and must not come up again in the next call
        reason = status == cudaSuccess ? "the driver shows no device" : cudaGetErrorString(status);
        return std::vector<DeviceInfo>{};
      }
      std::vector<DeviceInfo> found;
      for (int i = 0; i < count; ++i) found.push_back(describe(i));
      return found;
    });
  }

  void enterThread(int index) override {
    translated([&] {
      const auto device = static_cast<c10::DeviceIndex>(index);
      c10::cuda::set_device(device);
      c10::cuda::setCurrentCUDAStream(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device));
    });
  }

  void synchronise() override {
    translated([&] { c10::cuda::getCurrentCUDAStream().synchronize(); });
  }
};

}  // namespace
}  // namespace torchvae

torchvae::CudaPart* torchvae_cuda_part(int interfaceNumber) {
  if (interfaceNumber != torchvae::kCudaInterface) return nullptr;
  static torchvae::Part part;
  return &part;
}
