// Vector-quantized codes (van den Oord et al. 2017): `positions` vectors of latentSize values, each replaced
// by the nearest of `codes` entries of a codebook; gradients pass straight through. The codebook follows the
// vectors by exponential moving averages (appendix A.1), and the vectors are drawn to it by the commitment
// term. Against the uniform prior over codes the divergence is the constant positions log(codes).

#include <ATen/ops/argmin.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/one_hot.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <limits>

#include "cpu/codebook.h"
#include "ops/plain.h"
#include "ops/quantize.h"
#include "pass/whole_batch.h"
#include "posterior/tables.h"
#include "store/codebook_tensors.h"

namespace torchvae {
namespace {

class VectorQuantized : public Posterior {
 public:
  VectorQuantized(Weights& weights, const ModelSpec& spec, int64_t features)
      : context_(weights.context()),
        size_(spec.latentSize),
        positions_(spec.posterior.integer("positions")),
        codes_(spec.posterior.integer("codes")),
        commitment_(spec.posterior.number("commitment")),
        decay_(spec.posterior.number("decay")),
        vectors_(weights, kVectors, features, positions_ * size_),
        codebook_(weights.buffer(kCodebook, {codes_, size_}, Init::normal(1))),
        counts_(weights.buffer(kCodebookCounts, {codes_}, Init::constant(1))),
        // The codebook that sums and counts stand for is the one above only once they have followed it.
        sums_(weights.buffer(kCodebookSums, {codes_, size_}, Init::constant(0))) {}

  int64_t codeSize() const override { return positions_ * size_; }
  Own ownDivergence() const override { return Own::kCategorical; }

  Latent rsample(const Tensor& features, Pass& pass) const override {
    const Tensor vectors = vectors_(features);
    const Tensor each = vectors.detach().view({-1, size_});
    const Tensor nearest = nearestOf(each);
    const Quantized quantized = quantize(pass.draws.context(), vectors, *codebook_, nearest, commitment_);
    if (pass.training) follow(each, nearest, pass);
    Latent latent;
    latent.z = quantized.z;
    latent.ownDivergence =
        at::full({features.size(0), positions_}, std::log(static_cast<double>(codes_)), vectors.options());
    latent.penalty = quantized.penalty;
    return latent;
  }

  Gaussian moments(const Tensor& features, Pass& /*pass*/) const override {
    const Tensor vectors = vectors_(features).view({-1, size_});
    const Tensor z =
        (*codebook_).index_select(0, nearestOf(vectors.detach())).view({features.size(0), codeSize()});
    return {z, at::full_like(z, -std::numeric_limits<double>::infinity())};
  }

 private:
  // The CPU's kernels for these vectors, null where they do not serve.
  Pool* kernels() const { return PlainOperations::served(*context_) ? context_->pool : nullptr; }

  cpu::Codebook bookOf(const Tensor& vectors, const Tensor& entries) const {
    return {vectors.size(0), codes_, size_, vectors.const_data_ptr<float>(), entries.const_data_ptr<float>()};
  }

  Tensor nearestOf(const Tensor& vectors) const {
    const Tensor entries = *codebook_;
    if (kernels() == nullptr) {
      return at::argmin(entries.square().sum(1) - vectors.matmul(entries.t()) * 2.0, 1);
    }
    const Tensor nearest = at::empty({vectors.size(0)}, vectors.options().dtype(c10::kLong));
    cpu::nearestEntries(*kernels(), bookOf(vectors.contiguous(), entries),
                        nearest.mutable_data_ptr<int64_t>());
    return nearest;
  }

  // How many of the vectors each entry is the nearest of, [codes], and their sum, [codes, size].
  std::pair<Tensor, Tensor> sumsOf(const Tensor& vectors, const Tensor& nearest) const {
    if (kernels() == nullptr) {
      const Tensor oneHot = at::one_hot(nearest, codes_).to(vectors.scalar_type());
      return {oneHot.sum(0), oneHot.t().matmul(vectors)};
    }
    const Tensor counts = at::empty({codes_}, vectors.options()),
                 sums = at::empty({codes_, size_}, vectors.options());
    cpu::sumByEntry(bookOf(vectors.contiguous(), *codebook_), nearest.const_data_ptr<int64_t>(),
                    counts.mutable_data_ptr<float>(), sums.mutable_data_ptr<float>());
    return {counts, sums};
  }

  void follow(const Tensor& vectors, const Tensor& nearest, const Pass& pass) const {
    const c10::NoGradGuard noGrad;
    auto [newCounts, newSums] = sumsOf(vectors, nearest);
    if (pass.whole != nullptr) {
      newCounts = pass.whole->sum(newCounts);
      newSums = pass.whole->sum(newSums);
    }
    Tensor counts = *counts_, sums = *sums_, codebook = *codebook_;
    if (kernels() != nullptr) {
      cpu::followEntries(bookOf(vectors, codebook), newCounts.const_data_ptr<float>(),
                         newSums.const_data_ptr<float>(), decay_, kCodebookEpsilon,
                         {counts.mutable_data_ptr<float>(), sums.mutable_data_ptr<float>(),
                          codebook.mutable_data_ptr<float>()});
      return;
    }
    // Sums begin as the drawn codebook, at a count of one each.
    sums.copy_(sums.where(sums.abs().sum(1, true).gt(0), codebook));
    counts.mul_(decay_).add_(newCounts, 1 - decay_);
    sums.mul_(decay_).add_(newSums, 1 - decay_);
    const Tensor total = counts.sum();
    const Tensor smoothed =
        (counts + kCodebookEpsilon) / (total + kCodebookEpsilon * static_cast<double>(codes_)) * total;
    codebook.copy_(sums / smoothed.unsqueeze(1));
  }

  const Context* context_;
  int64_t size_, positions_, codes_;
  double commitment_, decay_;
  Linear vectors_;
  Weight codebook_, counts_, sums_;
};

}  // namespace

std::unique_ptr<Posterior> makeVectorQuantized(Weights& weights, const ModelSpec& spec, int64_t features) {
  return std::make_unique<VectorQuantized>(weights, spec, features);
}

}  // namespace torchvae
