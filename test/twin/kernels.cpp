// The kernels' source as NVRTC compiles it, compiled for the CPU: CUDA's words are given meanings here.
#include "kernels.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "error.h"
#include "grid.h"

using torchvae::twin::blockDim;
using torchvae::twin::blockIdx;
using torchvae::twin::gridDim;
using torchvae::twin::threadIdx;

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(threads)

namespace {

void __syncthreads() {
  torchvae::twin::blockBarrier();
}
void __threadfence() {}

template <class T>
T __shfl_xor_sync(unsigned /*mask*/, T value, int lanes) {
  namespace twin = torchvae::twin;
  static_assert(sizeof(T) <= 8);
  // Sides take turns, so that a lane which is ahead does not write what another has yet to read.
  const unsigned side = twin::warpGeneration();
  std::memcpy(twin::exchangeSlot(threadIdx.x, side), &value, sizeof value);
  twin::warpBarrier();
  T other;
  std::memcpy(&other, twin::exchangeSlot(threadIdx.x ^ static_cast<unsigned>(lanes), side), sizeof other);
  return other;
}

unsigned atomicAdd(unsigned* at, unsigned more) {
  const unsigned before = *at;
  *at += more;
  return before;
}
unsigned atomicMax(unsigned* at, unsigned value) {
  const unsigned before = *at;
  if (value > before) *at = value;
  return before;
}

float __uint_as_float(unsigned bits) {
  return std::bit_cast<float>(bits);
}
unsigned __float_as_uint(float value) {
  return std::bit_cast<unsigned>(value);
}
float sinpif(float x) {
  return static_cast<float>(std::sin(3.14159265358979323846 * x));
}
float cospif(float x) {
  return static_cast<float>(std::cos(3.14159265358979323846 * x));
}

}  // namespace

#include "kernels/numbers.cuh"
// Stands on the meanings above, and the kernels on it.
#include "instructions.h"
#include "kernels/all.cu"
#include "kernels/block.cu"
#include "kernels/conv.cu"
#include "kernels/conv_images.cu"
#include "kernels/perceptron.cu"
#include "kernels/weights.cu"

namespace torchvae::twin {

#undef TORCHVAE_KERNEL
#define TORCHVAE_KERNEL(name, Arguments, threads)                                             \
  {#name "_f32", [](const void* a) { name##_f32(*static_cast<const Arguments*>(a)); }},       \
      {#name "_bf16", [](const void* a) { name##_bf16(*static_cast<const Arguments*>(a)); }}, \
      {#name "_f64", [](const void* a) { name##_f64(*static_cast<const Arguments*>(a)); }},

const std::map<std::string, TwinKernel> kTwinKernels = {
#include "kernels/list.h"
};

namespace {

// What a program's constants are on a device, and are not here: the kernels look at them in every launch.
struct Choices {
  static inline int32_t kEncoderActivation, kDecoderActivation, kOptimizer, kActivation;
  static inline LikelihoodKind kLikelihood;
  static inline int kStages, kBlockRows, kRowTiles, kOutTiles;
  static constexpr int kMostBlockRows = 8, kMostRowTiles = 4, kMostOutTiles = 8;
};
template <Precision P, int kTileChoice, int kVectorChoice>
struct Program : Choices {
  static constexpr Precision kPrecision = P;
  static constexpr int kTile = kTileChoice;
  static constexpr int kOutputTile = kTileChoice;
  static constexpr int kVector = kVectorChoice;
};

int64_t constantOf(const KernelKey& key, const std::string& name) {
  for (const KernelConstant& constant : key.constants) {
    if (name == constant.name) return constant.value;
  }
  return -1;
}

TwinKernel withChoices(const KernelKey& key, void (*kernel)(const void*)) {
  return [kernel, encoder = constantOf(key, "ENCODER_ACTIVATION"),
          decoder = constantOf(key, "DECODER_ACTIVATION"), likelihood = constantOf(key, "LIKELIHOOD"),
          optimizer = constantOf(key, "OPTIMIZER_KIND"), stages = constantOf(key, "STAGES"),
          blockRows = constantOf(key, "BLOCK_ROWS"), rowTiles = constantOf(key, "ROW_TILES"),
          outTiles = constantOf(key, "OUT_TILES"),
          activation = constantOf(key, "ACTIVATION_KIND")](const void* arguments) {
    Choices::kActivation = static_cast<int32_t>(activation);
    Choices::kEncoderActivation = static_cast<int32_t>(encoder);
    Choices::kDecoderActivation = static_cast<int32_t>(decoder);
    Choices::kLikelihood = static_cast<LikelihoodKind>(likelihood);
    Choices::kOptimizer = static_cast<int32_t>(optimizer);
    Choices::kStages = static_cast<int>(stages);
    Choices::kBlockRows = static_cast<int>(blockRows);
    Choices::kRowTiles = static_cast<int>(rowTiles);
    Choices::kOutTiles = static_cast<int>(outTiles);
    kernel(arguments);
  };
}

#define TORCHVAE_BY_STRIPS
#define TORCHVAE_BY_ROWS
#define TORCHVAE_OUTPUT_ALONE
#define TORCHVAE_OUTPUT_AND_BACK
// Of perceptron.cu; only the tile of the kernel that is asked for counts.
template <class Program>
TwinKernel perceptronKernelOf(const KernelKey& key) {
  const std::map<std::string, void (*)(const void*)> all = {
#undef TORCHVAE_KERNEL
#define TORCHVAE_KERNEL(name, Arguments, tile) \
  {#name, [](const void* a) { torchvae::kernels::name<Program>(*static_cast<const Arguments*>(a)); }},
#include "kernels/perceptron_list.h"
  };
  return withChoices(key, all.at(key.name));
}
template <class Program>
TwinKernel weightsKernelOf(const KernelKey& key) {
  return withChoices(key, [](const void* a) { weights<Program>(*static_cast<const WeightsArguments*>(a)); });
}

template <Precision P, int kVector>
TwinKernel kernelOf(const KernelKey& key) {
  static_assert(kBatchTiles == 5 && kFirstWeightTile == 7 && kWeightTiles == 4);
  switch (constantOf(key, std::string(key.name) == "output" ? "OUTPUT_TILE" : "TILE")) {
    case 0:
      return perceptronKernelOf<Program<P, 0, kVector>>(key);
    case 1:
      return perceptronKernelOf<Program<P, 1, kVector>>(key);
    case 2:
      return perceptronKernelOf<Program<P, 2, kVector>>(key);
    case 3:
      return perceptronKernelOf<Program<P, 3, kVector>>(key);
    case 4:
      return perceptronKernelOf<Program<P, 4, kVector>>(key);
    case 7:
      return weightsKernelOf<Program<P, 7, kVector>>(key);
    case 8:
      return weightsKernelOf<Program<P, 8, kVector>>(key);
    case 9:
      return weightsKernelOf<Program<P, 9, kVector>>(key);
    default:
      return weightsKernelOf<Program<P, 10, kVector>>(key);
  }
}
template <Precision P>
TwinKernel kernelOf(const KernelKey& key) {
  return constantOf(key, "VECTOR") == 4 ? kernelOf<P, 4>(key) : kernelOf<P, 1>(key);
}

// Of conv.cu.
template <Precision P, int kTile, int kVector>
TwinKernel convKernelOf() {
  return [](const void* a) {
    convWeights<Program<P, kTile, kVector>>(*static_cast<const ConvWeightsArguments*>(a));
  };
}
template <Precision P, int kVector>
TwinKernel convKernelOf(const KernelKey& key) {
  static_assert(kPatchTile == 11);
  switch (constantOf(key, "TILE")) {
    case 7:
      return convKernelOf<P, 7, kVector>();
    case 8:
      return convKernelOf<P, 8, kVector>();
    case 9:
      return convKernelOf<P, 9, kVector>();
    case 10:
      return convKernelOf<P, 10, kVector>();
    default:
      if constexpr (kVector > 1) return convKernelOf<P, kPatchTile, kVector>();
      throw Error("ERR_INTERNAL", "The tile of patches takes vectors");
  }
}
TwinKernel convKernelOf(const KernelKey& key) {
  const bool isSingle = constantOf(key, "VECTOR") == 1;
  switch (constantOf(key, "PRECISION")) {
    case kFloat32:
      return isSingle ? convKernelOf<kFloat32, 1>(key) : convKernelOf<kFloat32, 4>(key);
    case kTf32:
      return isSingle ? convKernelOf<kTf32, 1>(key) : convKernelOf<kTf32, 4>(key);
    default:
      return convKernelOf<kBf16, 8>(key);
  }
}

// Of conv_images.cu.
template <Precision P, int kTile, int kVectorChoice, int kWeightVectorChoice, int kGroupChoice>
struct ImageProgram : Program<P, kTile, kVectorChoice> {
  static constexpr int kWeightVector = kWeightVectorChoice;
  static constexpr int kGroup = kGroupChoice;
};
template <class Chosen>
TwinKernel imageKernelOf(const KernelKey& key) {
  const auto down = [](const void* a) {
    convImages<Chosen, false>(*static_cast<const ConvImagesArguments*>(a));
  };
  const auto up = [](const void* a) {
    convImages<Chosen, true>(*static_cast<const ConvImagesArguments*>(a));
  };
  return withChoices(key, constantOf(key, "UP") == 1 ? static_cast<void (*)(const void*)>(up)
                                                     : static_cast<void (*)(const void*)>(down));
}
template <Precision P, int kVector, int kWeightVector, int kGroup>
TwinKernel imageKernelOfTile(const KernelKey& key) {
  static_assert(kNarrowImageTile == 12 && kImageTile == 13);
  switch (constantOf(key, "TILE")) {
    case 2:
      return imageKernelOf<ImageProgram<P, 2, kVector, kWeightVector, kGroup>>(key);
    case 3:
      return imageKernelOf<ImageProgram<P, 3, kVector, kWeightVector, kGroup>>(key);
    case 4:
      return imageKernelOf<ImageProgram<P, 4, kVector, kWeightVector, kGroup>>(key);
    case kNarrowImageTile:
      return imageKernelOf<ImageProgram<P, kNarrowImageTile, kVector, kWeightVector, kGroup>>(key);
    default:
      return imageKernelOf<ImageProgram<P, kImageTile, kVector, kWeightVector, kGroup>>(key);
  }
}
template <Precision P, int kVector, int kWeightVector>
TwinKernel imageKernelOfVectors(const KernelKey& key) {
  return constantOf(key, "GROUP") == 4 ? imageKernelOfTile<P, kVector, kWeightVector, 4>(key)
                                       : imageKernelOfTile<P, kVector, kWeightVector, 1>(key);
}
template <Precision P>
TwinKernel imageKernelOfPrecision(const KernelKey& key) {
  if (constantOf(key, "VECTOR") == 1) {
    return constantOf(key, "WEIGHT_VECTOR") == 1 ? imageKernelOfVectors<P, 1, 1>(key)
                                                 : imageKernelOfVectors<P, 1, 4>(key);
  }
  return constantOf(key, "WEIGHT_VECTOR") == 1 ? imageKernelOfVectors<P, 4, 1>(key)
                                               : imageKernelOfVectors<P, 4, 4>(key);
}
TwinKernel imageKernelOf(const KernelKey& key) {
  switch (constantOf(key, "PRECISION")) {
    case kFloat32:
      return imageKernelOfPrecision<kFloat32>(key);
    case kTf32:
      return imageKernelOfPrecision<kTf32>(key);
    default:
      return imageKernelOfTile<kBf16, 8, 8, 4>(key);
  }
}

}  // namespace

void multiplyFragments(bool pairs, LaneRegisters (&lanes)[32]) {
  runGrid(1, 32, 0, [&] {
    LaneRegisters& own = lanes[threadIdx.x];
    if (pairs) {
      torchvae::kernels::multiplyBf16(own.c, own.a, own.b);
    } else {
      torchvae::kernels::multiplyTf32(own.c, own.a, own.b);
    }
  });
}

TwinKernel kernelOfProgram(const KernelKey& key) {
  if (std::string(key.program) == "block.cu") {
    return withChoices(key,
                       [](const void* a) { trainBlock<Choices>(*static_cast<const BlockArguments*>(a)); });
  }
  if (std::string(key.program) == "conv.cu") return convKernelOf(key);
  if (std::string(key.program) == "conv_images.cu") return imageKernelOf(key);
  switch (constantOf(key, "PRECISION")) {
    case kFloat32:
      return kernelOf<kFloat32>(key);
    case kTf32:
      return kernelOf<kTf32>(key);
    default:
      return kernelOf<kBf16>(key);
  }
}

}  // namespace torchvae::twin
