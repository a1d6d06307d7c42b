// The library behind the dense layers' float32 products on the CPU. Which is fastest depends on the processor
// by as much as a factor of two, so it is measured.
#pragma once

#include <cstdint>
#include <string>

namespace at {
class Tensor;
}

namespace torchvae::cpu {

enum class Gemm : uint8_t {
  kBrgemm,  // oneDNN's batch-reduce kernels, tile by tile, with what follows a product done in the cache
  kOneDnn,  // oneDNN, a whole matrix at a time
  kMkl,     // ATen's own choice (MKL on x86), a whole matrix at a time
};

// The tiles, unless another is faster by a third on one thread of this processor: found when first asked for,
// in some milliseconds. TORCHVAE_GEMM (brgemm, onednn, mkl) decides instead; another value of it throws
// ERR_RANGE.
Gemm chooseGemm();

// What chooseGemm() chose and why; or that it was not asked yet.
std::string describeGemm();

// c = a b, of float32 matrices with any strides, by kOneDnn or kMkl.
void multiplyWhole(Gemm gemm, const at::Tensor& a, const at::Tensor& b, at::Tensor& c);

}  // namespace torchvae::cpu
