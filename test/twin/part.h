// A CUDA part that computes on the CPU: the device 'cpu' of an engine that it is attached to runs the
// kernels, the executor and its graphs as a GPU would, with libtorch's CPU for the products between them. A
// captured graph is its steps' own code, run again for every replay.
#pragma once

#include "cuda_part.h"

namespace torchvae::twin {

class TwinPart : public CudaPart {
 public:
  std::vector<DeviceInfo> devices(std::string& reason) override;
  bool onHost() const override { return true; }
  void enterThread(int /*index*/) override {}
  void* kernel(const std::string& name) override;
  void launch(void* kernel, int64_t blocks, int threads, const void* argument, size_t size) override;
  std::unique_ptr<CapturedWork> capture(std::function<void()> body) override;
  std::unique_ptr<TimeMark> mark() override;

  int64_t launches = 0;  // of kernels
  int64_t captures = 0;
  int64_t replays = 0;
};

}  // namespace torchvae::twin
