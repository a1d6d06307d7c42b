#include "fused/quantized_posterior.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/floats.h"
#include "base/memory.h"
#include "cpu/ranges.h"
#include "store/codebook_tensors.h"

namespace torchvae::fused {
namespace {

constexpr int64_t kQuantizedRange = 16;  // rows that a thread takes at a time

}  // namespace

DenseSlots QuantizedPosterior::declare(Parameters& parameters, const ModelSpec& spec,
                                       const Features& encoded) {
  return declareHead(parameters, {{kVectors, codeSize(spec)}}, encoded);
}

QuantizedPosterior::QuantizedPosterior(const Context& context, const Store& store, const ModelSpec& spec,
                                       int64_t capacity)
    : size_(spec.latentSize),
      positions_(spec.posterior.integer("positions")),
      entries_(spec.posterior.integer("codes")),
      commitment_(spec.posterior.number("commitment")),
      decay_(spec.posterior.number("decay")),
      codebook_(store.buffers.value(store.buffers.find(kCodebook)->slot)),
      counts_(store.buffers.value(store.buffers.find(kCodebookCounts)->slot)),
      sums_(store.buffers.value(store.buffers.find(kCodebookSums)->slot)),
      nearest_(at::empty({capacity * positions_}, codebook_.options().dtype(c10::kLong))),
      codes_(zeroed(context, {capacity, positions_ * size_})),
      differences_(zeroed(context, {capacity, positions_ * size_})),
      distances_(zeroed(context, {capacity})),
      newCounts_(at::zeros_like(counts_)),
      newSums_(at::zeros_like(sums_)) {}

cpu::Codebook QuantizedPosterior::bookOf(const at::Tensor& head, int64_t rows) const {
  return {rows * positions_, entries_, size_, floats(head), floats(codebook_)};
}

void QuantizedPosterior::quantize(const Context& context, const at::Tensor& head, int64_t rows) {
  const cpu::Codebook book = bookOf(head, rows);
  auto* nearest = nearest_.mutable_data_ptr<int64_t>();
  cpu::nearestEntries(*context.pool, book, nearest);
  cpu::quantize(*context.pool, book, nearest, positions_,
                {floats(codes_), floats(differences_), floats(distances_)});
}

void QuantizedPosterior::sample(const Context& context, const at::Tensor& head, const at::Tensor& /*noise*/,
                                int64_t rows, Activations& z, at::Tensor& kl) {
  quantize(context, head, rows);
  std::fill_n(floats(kl), rows,
              static_cast<float>(static_cast<double>(positions_) * std::log(static_cast<double>(entries_))));
  penalty_ = 0;
  for (int64_t i = 0; i < rows; ++i) penalty_ += commitment_ * floats(distances_)[i];
  const int64_t stride = z.value.size(1), size = codes_.size(1);
  z.magnitude.reset();
  forRanges(*context.pool, rows, kQuantizedRange, [&](int64_t first, int64_t last) {
    float* to = floats(z.value) + first * stride;
    for (int64_t i = first; i < last; ++i) {
      std::copy_n(floats(codes_) + i * size, size, to + (i - first) * stride);
    }
    z.magnitude.include(largestMagnitudeBits(to, last - first, stride, stride));
    z.finishRows(first, last);
  });
}

void QuantizedPosterior::backward(const Context& context, const at::Tensor& /*head*/,
                                  const at::Tensor& /*noise*/, const CodeGradients& given, int64_t rows,
                                  Activations& headGradient) {
  const auto ofDistance = static_cast<float>(2 * commitment_ / static_cast<double>(rows));
  const int64_t stride = given.z.size(1), size = codes_.size(1);
  headGradient.magnitude.reset();
  forRanges(*context.pool, rows, kQuantizedRange, [&](int64_t first, int64_t last) {
    float* to = floats(headGradient.value) + first * size;
    for (int64_t i = first; i < last; ++i) {
      const float *dz = floats(given.z) + i * stride, *difference = floats(differences_) + i * size;
      float* own = floats(headGradient.value) + i * size;
      for (int64_t j = 0; j < size; ++j) own[j] = dz[j] + ofDistance * difference[j];
    }
    headGradient.magnitude.include(largestMagnitudeBits(to, last - first, size, size));
    headGradient.finishRows(first, last);
  });
}

void QuantizedPosterior::follow(const at::Tensor& head, int64_t rows) {
  const cpu::Codebook book = bookOf(head, rows);
  cpu::sumByEntry(book, nearest_.const_data_ptr<int64_t>(), floats(newCounts_), floats(newSums_));
  cpu::followEntries(book, floats(newCounts_), floats(newSums_), decay_, kCodebookEpsilon,
                     {floats(counts_), floats(sums_), floats(codebook_)});
}

std::pair<at::Tensor, at::Tensor> QuantizedPosterior::moments(const Context& context, const at::Tensor& head,
                                                              int64_t rows) {
  quantize(context, head, rows);
  const at::Tensor codes = codes_.narrow(0, 0, rows);
  return {codes, at::full_like(codes, -std::numeric_limits<double>::infinity())};
}

}  // namespace torchvae::fused
