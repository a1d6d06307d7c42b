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
  kPanels,  // our own AVX-512 kernels, with panels of weights for wide layers (panels.h)
  kBrgemm,  // oneDNN's batch-reduce kernels, tile by tile, with what follows a product done in the cache
  kOneDnn,  // oneDNN, a whole matrix at a time
  kMkl,     // ATen's own choice (MKL on x86), a whole matrix at a time
};

// The first that this processor has, unless another is faster by a third on one of its threads: found when
// first asked for, in some milliseconds. TORCHVAE_GEMM (panels, brgemm, onednn, mkl) decides instead; another
// value of it, or one that this processor or libtorch has not, throws ERR_RANGE.
Gemm chooseGemm();

// What chooseGemm() chose and why; or that it was not asked yet.
std::string describeGemm();

// c [m, n] = a [m, k] b [k, n], of a tile: each row-major with its own row stride. By our own kernels once
// these are chosen, by oneDNN's otherwise.
void multiply(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb,
              float* c, int64_t ldc);

// c = a b, of float32 matrices with any strides, by kOneDnn or kMkl.
void multiplyWhole(Gemm gemm, const at::Tensor& a, const at::Tensor& b, at::Tensor& c);

}  // namespace torchvae::cpu
