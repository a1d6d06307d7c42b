#include "cpu/gemm.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/native/CPUBlas.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <optional>
#include <string_view>

#include "cpu/intrinsics.h"
#include "cpu/panels.h"
#include "cpu/product.h"
#include "cpu/tiles.h"
#include "error.h"
#include "spec.h"

namespace torchvae::cpu {
namespace {

struct Candidate {
  Gemm gemm;
  const char* name;
  const char* title;
};

constexpr std::array<Candidate, 4> kCandidates{{{Gemm::kPanels, "panels", "torchvae, in panels"},
                                                {Gemm::kBrgemm, "brgemm", "oneDNN brgemm, in tiles"},
                                                {Gemm::kOneDnn, "onednn", "oneDNN, whole matrices"},
                                                {Gemm::kMkl, "mkl", "ATen (MKL), whole matrices"}}};

// What is not preferred must win by more than this: a whole-matrix product leaves the steps around it to
// passes of their own, a row-major matrix gives two threads' columns the same stretch of memory.
constexpr double kWorthIt = 0.75;

std::mutex mutex;
std::atomic<bool> ownProducts{false};
std::optional<Gemm> chosen;
std::string description = "measured when the first model is made";

using LinearPointwise = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                                   std::string_view, c10::List<std::optional<at::Scalar>>,
                                   std::optional<std::string_view>);

// x w^T by oneDNN; not every build of libtorch has it.
std::optional<c10::TypedOperatorHandle<LinearPointwise>> findOneDnnLinear() {
  const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  if (!found || !found->hasKernelForDispatchKey(c10::DispatchKey::CPU)) return std::nullopt;
  return found->typed<LinearPointwise>();
}

const auto& oneDnnLinear() {
  static const auto kLinear = findOneDnnLinear();
  return kLinear;
}

void multiplyBrgemm(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb,
                    float* c, int64_t ldc) {
  at::native::cpublas::brgemm(m, n, k, lda, ldb, ldc, false, a, b, c);
}

// Of processor time, which other processes take nothing of: a chance that decided here would change the bits
// of a run from one process to the next.
double threadSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// The shortest of several products on this thread alone.
double secondsOf(Gemm gemm) {
  constexpr int64_t kRows = 128, kIn = 256, kOut = 256;
  constexpr int kTimes = 6;
  const auto options = c10::TensorOptions().dtype(c10::kFloat);
  const at::Tensor x = at::ones({kRows, kIn}, options);
  const at::Tensor w = at::ones({kIn, kOut}, options);
  at::Tensor y = at::zeros({kRows, kOut}, options);
  const at::Tensor bias = at::zeros({kOut}, options);
  Pool alone(1);
  Magnitude magnitude;
  const auto once = [&] {
    if (gemm == Gemm::kPanels) {
      panelForward(alone, {kRows, kIn, kOut, kRows}, ActivationKind::kIdentity, x.const_data_ptr<float>(),
                   w.const_data_ptr<float>(), bias.const_data_ptr<float>(), y.mutable_data_ptr<float>(),
                   nullptr, magnitude);
      return;
    }
    if (gemm != Gemm::kBrgemm) return multiplyWhole(gemm, x, w, y);
    const Tiles tiles = balancedTiles(kRows, kOut, 1);
    for (int64_t i = 0; i < tiles.count(); ++i) {
      const Tile t = tileAt(tiles, i);
      multiplyBrgemm(t.rows(), t.columns(), kIn, x.const_data_ptr<float>() + t.m0 * kIn, kIn,
                     w.const_data_ptr<float>() + t.n0, kOut, y.mutable_data_ptr<float>() + t.m0 * kOut + t.n0,
                     kOut);
    }
  };
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kTimes; ++i) {
    const double start = threadSeconds();
    once();
    best = std::min(best, threadSeconds() - start);
  }
  return best;
}

// libtorch is told by ATEN_CPU_CAPABILITY to do without some instructions: so do we.
bool takesAvx512() {
  const std::string capability = at::get_cpu_capability();
  return capability != "DEFAULT" && capability != "AVX2";
}

bool isThere(Gemm gemm) {
  switch (gemm) {
    case Gemm::kPanels:
      return kHasAvx512 && takesAvx512();
    case Gemm::kOneDnn:
      return oneDnnLinear().has_value();
    default:
      return true;
  }
}

const Candidate& measured() {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Candidate* best = nullptr;
  double seconds = 0;
  for (const Candidate& candidate : kCandidates) {
    if (!isThere(candidate.gemm)) continue;
    const double taken = secondsOf(candidate.gemm);
    if (best != nullptr && taken >= seconds) continue;
    seconds = best == nullptr ? taken * kWorthIt : taken;
    best = &candidate;
  }
  at::set_num_threads(threads);
  return *best;
}

const Candidate& named(const std::string& name) {
  for (const Candidate& candidate : kCandidates) {
    if (name != candidate.name) continue;
    if (!isThere(candidate.gemm)) {
      const std::string lacks =
          candidate.gemm == Gemm::kPanels ? "processor has no AVX-512" : "libtorch has no oneDNN";
      throw Error("ERR_RANGE", "This " + lacks + " for TORCHVAE_GEMM=" + name + "; leave TORCHVAE_GEMM out");
    }
    return candidate;
  }
  throw Error("ERR_RANGE", "Expected panels, brgemm, onednn or mkl for TORCHVAE_GEMM but received \"" + name +
                               "\"; leave it out to measure");
}

}  // namespace

Gemm chooseGemm() {
  const std::lock_guard lock(mutex);
  if (!chosen) {
    const char* wanted = std::getenv("TORCHVAE_GEMM");
    const bool isGiven = wanted != nullptr && *wanted != '\0';
    const Candidate& candidate = isGiven ? named(wanted) : measured();
    chosen = candidate.gemm;
    ownProducts = candidate.gemm == Gemm::kPanels;
    description = std::string(candidate.title) + (isGiven ? " (TORCHVAE_GEMM)" : " (the fastest here)");
  }
  return *chosen;
}

std::string describeGemm() {
  const std::lock_guard lock(mutex);
  return description;
}

void multiply(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb,
              float* c, int64_t ldc) {
  const auto kernel = ownProducts.load(std::memory_order_relaxed) ? multiplyRegisters : multiplyBrgemm;
  kernel(m, n, k, a, lda, b, ldb, c, ldc);
}

void multiplyWhole(Gemm gemm, const at::Tensor& a, const at::Tensor& b, at::Tensor& c) {
  if (gemm == Gemm::kOneDnn) {
    const c10::List<std::optional<at::Scalar>> none;
    c.copy_(oneDnnLinear()->call(a, b.t(), std::nullopt, "none", none, std::nullopt));
  } else {
    at::mm_out(c, a, b);
  }
}

}  // namespace torchvae::cpu
