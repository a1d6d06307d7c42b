#include "fused/posterior.h"

#include "error.h"
#include "fused/diagonal_gaussian.h"

namespace torchvae::fused {
namespace {

struct Row {
  const char* posterior;
  const char* prior;
  std::unique_ptr<Posterior> (*make)();
};

constexpr Row kTable[] = {
    {"gaussian", "standard-normal",
     []() -> std::unique_ptr<Posterior> { return std::make_unique<DiagonalGaussian>(); }},
};

const Row* find(const std::string& posterior, const std::string& prior) {
  for (const Row& row : kTable) {
    if (posterior == row.posterior && prior == row.prior) return &row;
  }
  return nullptr;
}

}  // namespace

bool hasKernels(const std::string& posterior, const std::string& prior) {
  return find(posterior, prior) != nullptr;
}

std::unique_ptr<Posterior> makePosterior(const std::string& posterior, const std::string& prior) {
  if (const Row* row = find(posterior, prior)) return row->make();
  throw Error("ERR_SPEC", "The engine has no posterior " + posterior + " with the prior " + prior);
}

}  // namespace torchvae::fused
