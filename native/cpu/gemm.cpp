#include "cpu/gemm.h"

#include <ATen/Version.h>
#include <ATen/native/CPUBlas.h>

#include <array>
#include <cstdlib>

#include "cpu/intrinsics.h"
#include "cpu/product.h"
#include "error.h"

namespace torchvae::cpu {
namespace {

struct Row {
  DenseBackend backend;
  const char* name;
  const char* title;
  const char* needs;
};

// In the order of preference.
constexpr std::array<Row, 3> kTable{
    {{DenseBackend::kPanels, "panels", "torchvae's kernels, weights in panels", "AVX2"},
     {DenseBackend::kTiles, "tiles", "oneDNN's kernels, tile by tile", "AVX2"},
     {DenseBackend::kLibrary, "library", "libtorch, whole matrices", "nothing"}}};

bool isThere(DenseBackend backend) {
  switch (backend) {
    case DenseBackend::kPanels:
      return hasAvx2();
    case DenseBackend::kTiles:
#ifdef __x86_64__
      return at::get_cpu_capability() != "DEFAULT";
#else
      return false;
#endif
    default:
      return true;
  }
}

const Row& preferred() {
  for (const Row& row : kTable) {
    if (isThere(row.backend)) return row;
  }
  return kTable.back();
}

const Row& named(const std::string& name) {
  for (const Row& row : kTable) {
    if (name != row.name) continue;
    if (isThere(row.backend)) return row;
    throw Error("ERR_RANGE", std::string("This processor has no ") + row.needs +
                                 " for TORCHVAE_GEMM=" + name + "; leave TORCHVAE_GEMM out");
  }
  throw Error("ERR_RANGE", "Expected panels, tiles or library for TORCHVAE_GEMM but received \"" + name +
                               "\"; leave it out for the best one of this processor");
}

const Row& chosen() {
  const char* wanted = std::getenv("TORCHVAE_GEMM");
  return wanted != nullptr && *wanted != '\0' ? named(wanted) : preferred();
}

bool hasOwnProducts() {
  static const bool kOwn = chosen().backend == DenseBackend::kPanels;
  return kOwn;
}

}  // namespace

DenseBackend chooseBackend() {
  return chosen().backend;
}

std::string describeBackend() {
  try {
    const Row& row = chosen();
    return std::string(row.name) + ": " + row.title;
  } catch (const Error& error) {
    return error.what();
  }
}

void multiply(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb,
              float* c, int64_t ldc) {
  if (hasOwnProducts()) return multiplyRegisters(m, n, k, a, lda, b, ldb, c, ldc);
  at::native::cpublas::brgemm(m, n, k, lda, ldb, ldc, false, a, b, c);
}

}  // namespace torchvae::cpu
