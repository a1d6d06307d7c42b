#include "fused/importance_cost.h"

#include "base/memory.h"
#include "cpu/gaussian_draw.h"
#include "cpu/importance.h"
#include "cpu/ranges.h"
#include "fused/fixed_likelihood.h"
#include "fused/likelihood_rows.h"

namespace torchvae::fused {
namespace {

const char* const kObjective = "iwae";

cpu::GaussianHead viewOf(const at::Tensor& head, const at::Tensor& noise, int64_t rows, int64_t draws) {
  return {
      rows, draws, noise.size(1), head.const_data_ptr<float>(), head.size(1), noise.const_data_ptr<float>()};
}

}  // namespace

bool hasImportanceCost(const Context& context, const ModelSpec& spec) {
  // Of a likelihood with weights, their gradients would be sums over the draws without their weights.
  return spec.objective.type == kObjective && context.tiled() && !context.bf16 &&
         spec.posterior.type == "gaussian" && spec.prior.type == "standard-normal" &&
         !spec.condition.decoder && FixedLikelihood::holds(spec.likelihood);
}

std::unique_ptr<ImportanceCost> makeImportanceCost(const Context& context, const ModelSpec& spec,
                                                   int64_t capacity) {
  if (spec.objective.type != kObjective) return nullptr;
  return std::make_unique<ImportanceCost>(context, spec, capacity);
}

ImportanceCost::ImportanceCost(const Context& context, const ModelSpec& spec, int64_t capacity)
    : context_(context),
      draws_(spec.objective.integer("samples")),
      latentSize_(spec.latentSize),
      divergence_(zeroed(context, {capacity, latentSize_})),
      logQ_(zeroed(context, {capacity * draws_})),
      logPrior_(zeroed(context, {capacity * draws_})),
      shares_(zeroed(context, {capacity * draws_})),
      ofDensity_(zeroed(context, {capacity * draws_})),
      dz_(zeroed(context, {capacity * draws_, latentSize_})) {}

void ImportanceCost::sample(const at::Tensor& head, const at::Tensor& noise, int64_t rows, Activations& z) {
  float* values = z.value.data_ptr<float>();
  const int64_t count = rows * draws_;
  cpu::drawGaussian(*context_.pool, viewOf(head, noise, rows, draws_), values, divergence_.data_ptr<float>(),
                    logQ_.data_ptr<float>());
  float* logPrior = logPrior_.data_ptr<float>();
  z.magnitude.reset();
  forRanges(*context_.pool, count, kTileRows, [&](int64_t first, int64_t last) {
    const float* own = values + first * latentSize_;
    cpu::standardNormalLogDensity(own, last - first, latentSize_, logPrior + first);
    z.magnitude.include(largestMagnitudeBits(own, last - first, latentSize_, latentSize_));
    z.finishRows(first, last);
  });
}

void ImportanceCost::reconstruct(Likelihood& likelihood, const at::Tensor& x, const Activations& y,
                                 int64_t rows, at::Tensor& reconstruction, Activations* gradient) {
  const int64_t columns = x.size(1), count = rows * draws_;
  if (!repeated_.defined()) repeated_ = zeroed(context_, {reconstruction.size(0), columns});
  cpu::repeatRows(*context_.pool, x.const_data_ptr<float>(), rows, columns, draws_,
                  repeated_.data_ptr<float>());
  // Its other forms are made once the draws have their weights.
  Activations unweighted;
  if (gradient != nullptr) unweighted.value = gradient->value;
  likelihood.negativeLogProb(context_, repeated_, y, count, reconstruction,
                             gradient == nullptr ? nullptr : &unweighted);

  cost_ = reconstruction_ = rate_ = 0;
  float* shares = shares_.data_ptr<float>();
  for (int64_t i = 0; i < count; i += draws_) {
    const cpu::ImportanceBound bound =
        cpu::importanceBound(reconstruction.const_data_ptr<float>() + i, logQ_.const_data_ptr<float>() + i,
                             logPrior_.const_data_ptr<float>() + i, draws_, shares + i);
    cost_ += bound.cost;
    reconstruction_ += bound.reconstruction;
    rate_ += bound.rate;
  }
  if (gradient == nullptr) return;

  const int64_t width = y.value.size(1);
  float* slopes = gradient->value.data_ptr<float>();
  gradient->magnitude.reset();
  forRanges(*context_.pool, count, kTileRows, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const float weight = shares[i] * static_cast<float>(draws_);
      for (int64_t j = i * width; j < (i + 1) * width; ++j) slopes[j] *= weight;
    }
    gradient->magnitude.include(largestMagnitudeBits(slopes + first * width, last - first, width, width));
    gradient->finishRows(first, last);
  });
}

void ImportanceCost::backward(const at::Tensor& head, const at::Tensor& noise, const at::Tensor& z,
                              const at::Tensor& zGradient, int64_t rows, Activations& headGradient) {
  const float* zs = z.const_data_ptr<float>();
  const float* ofDecoder = zGradient.const_data_ptr<float>();
  const float* shares = shares_.const_data_ptr<float>();
  float* dz = dz_.data_ptr<float>();
  float* ofDensity = ofDensity_.data_ptr<float>();
  const float scale = 1 / static_cast<float>(rows);
  // A draw's weight falls with log q(z|x) and rises with log p(z) = -|z|^2 / 2.
  for (int64_t i = 0; i < rows * draws_; ++i) {
    ofDensity[i] = shares[i] * scale;
    for (int64_t j = i * latentSize_; j < (i + 1) * latentSize_; ++j) {
      dz[j] = ofDecoder[j] + ofDensity[i] * zs[j];
    }
  }
  float* gradient = headGradient.value.data_ptr<float>();
  cpu::drawGaussianBackward(*context_.pool, viewOf(head, noise, rows, draws_), {dz, nullptr, ofDensity},
                            gradient);
  const int64_t width = head.size(1);
  headGradient.magnitude.reset();
  forRanges(*context_.pool, rows, kTileRows, [&](int64_t first, int64_t last) {
    headGradient.magnitude.include(
        largestMagnitudeBits(gradient + first * width, last - first, width, width));
    headGradient.finishRows(first, last);
  });
}

}  // namespace torchvae::fused
