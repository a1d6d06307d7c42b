// Where and in what precision a model computes.
#pragma once

#include <ATen/core/TensorBase.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>
#include <c10/core/TensorOptions.h>

namespace torchvae {

class Pool;     // cpu/pool.h
class Kernels;  // kernels/kernels.h

// What multiplies the float32 matrices of dense layers on the CPU.
enum class DenseBackend : uint8_t {
  kPanels,   // our own kernels, with panels of weights for wide layers (cpu/panels.h)
  kTiles,    // oneDNN's batch-reduce kernels, tile by tile, with what follows a product done in the cache
  kLibrary,  // libtorch, a whole matrix at a time
};

struct Context {
  c10::Device device = c10::Device(c10::kCPU);
  c10::ScalarType dtype = c10::kFloat;
  Pool* pool = nullptr;        // of the device's thread; set for the CPU
  Kernels* kernels = nullptr;  // of the device's thread; set for CUDA
  DenseBackend backend = DenseBackend::kTiles;
  bool bf16 = false;  // whether matrix products take factors rounded to bfloat16; all else is of `dtype`
  bool tf32 = false;  // whether float32 products on CUDA may round their factors to 10 bits

  // The hand-tiled kernels of cpu/ serve float32 on the CPU; all else runs on plain ATen operations.
  bool tiled() const { return device.is_cpu() && dtype == c10::kFloat && kernels == nullptr; }
  // Whether dense layers do so too.
  bool tiledProducts() const { return tiled() && (bf16 || backend != DenseBackend::kLibrary); }
  // Whether wide dense layers' weights lie in panels (cpu/panels.h).
  bool panels() const { return tiled() && !bf16 && backend == DenseBackend::kPanels; }
  // Of the fused kernels' activations and of the weights that they are multiplied by: the CPU keeps those in
  // `dtype`, with their rounded forms beside them.
  c10::ScalarType computeType() const { return bf16 && kernels != nullptr ? c10::kBFloat16 : dtype; }
  // Images of several channels are stored with as many more, of zeros, as make this many or a multiple: a
  // device's convolutions take 16 bytes of a pixel at a time.
  int64_t channelMultiple() const {
    return kernels == nullptr ? 1 : static_cast<int64_t>(16 / c10::elementSize(computeType()));
  }
  c10::TensorOptions options() const { return c10::TensorOptions().device(device).dtype(dtype); }
};

}  // namespace torchvae
