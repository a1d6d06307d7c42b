// Where and in what precision a model computes.
#pragma once

#include <ATen/core/TensorBase.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>
#include <c10/core/TensorOptions.h>

#include "cpu/pool.h"

namespace torchvae {

class Kernels;  // ops/kernels.h

struct Context {
  c10::Device device = c10::Device(c10::kCPU);
  c10::ScalarType dtype = c10::kFloat;
  Pool* pool = nullptr;        // of the device's thread; set for the CPU
  Kernels* kernels = nullptr;  // of the device's thread; set for CUDA
  bool bf16 = false;           // with `kernels`: activations and matrix products in bf16, all else in dtype
  bool tf32 = false;           // with `kernels`: float32 products may round their factors to 10 bits

  // The hand-tiled kernels of cpu/ serve float32 on the CPU; all else runs on plain ATen operations.
  bool tiled() const { return device.is_cpu() && dtype == c10::kFloat && kernels == nullptr; }
  // Of activations and of the weights that they are multiplied by.
  c10::ScalarType computeType() const { return bf16 && kernels != nullptr ? c10::kBFloat16 : dtype; }
  c10::TensorOptions options() const { return c10::TensorOptions().device(device).dtype(dtype); }
};

}  // namespace torchvae
