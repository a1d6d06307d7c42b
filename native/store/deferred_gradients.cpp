#include "store/deferred_gradients.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "cpu/magnitude.h"
#include "cpu/pool.h"

namespace torchvae {
namespace {

// Calls body(values, first, count) for ranges of each tensor's values, on several threads.
template <class Body>
void forRanges(Pool& pool, const std::vector<at::Tensor>& tensors, const Body& body) {
  constexpr int64_t kRange = 16384;
  struct Range {
    const float* values;
    int64_t first, count;
  };
  std::vector<Range> ranges;
  for (const at::Tensor& tensor : tensors) {
    const int64_t count = tensor.numel();
    const float* values = tensor.const_data_ptr<float>();
    for (int64_t first = 0; first < count; first += kRange) {
      ranges.push_back({values + first, first, std::min(kRange, count - first)});
    }
  }
  pool.run(static_cast<int64_t>(ranges.size()), [&](int64_t i) {
    const Range& range = ranges[static_cast<size_t>(i)];
    body(range.values, range.first, range.count);
  });
}

float largestMagnitude(Pool& pool, const std::vector<at::Tensor>& tensors) {
  Magnitude largest;
  forRanges(pool, tensors, [&](const float* values, int64_t /*first*/, int64_t count) {
    largest.include(largestMagnitudeBits(values, 1, count, count));
  });
  return largest.value();
}

int64_t rowsOf(const std::vector<at::Tensor>& tensors) {
  int64_t rows = 0;
  for (const at::Tensor& tensor : tensors) rows += tensor.size(0);
  return rows;
}

// The rows of all, below each other.
at::Tensor joined(Pool& pool, const std::vector<at::Tensor>& tensors) {
  if (tensors.size() == 1) return tensors[0];
  const int64_t columns = tensors[0].size(1);
  const at::Tensor all = at::empty({rowsOf(tensors), columns}, tensors[0].options());
  float* to = all.mutable_data_ptr<float>();
  for (const at::Tensor& tensor : tensors) {
    forRanges(pool, {tensor}, [&](const float* values, int64_t first, int64_t count) {
      std::copy_n(values, count, to + first);
    });
    to += tensor.numel();
  }
  return all;
}

}  // namespace

void DeferredGradients::begin(const at::Tensor& gradients) {
  items_.clear();
  products_.clear();
  const bool isPlain = gradients.is_cpu() && gradients.scalar_type() == c10::kFloat;
  for (const auto [first, count] : others(gradients.size(0))) {
    if (isPlain) {
      std::fill_n(gradients.mutable_data_ptr<float>() + first, count, 0.0f);
    } else {
      gradients.narrow(0, first, count).zero_();
    }
  }
}

void DeferredGradients::add(const cpu::WeightProduct& place, const at::Tensor& x, const at::Tensor& dy,
                            bool isData) {
  layers_[place.weight] = place.bias + place.out;
  const auto [known, isFirst] = items_.try_emplace(place.weight, Item{place, {x}, {dy}, {}, isData});
  if (isFirst) return;
  known->second.isData = known->second.isData && isData;
  known->second.x.push_back(x);
  known->second.dy.push_back(dy);
}

void DeferredGradients::make(const Context& context, const at::Tensor& gradients) {
  for (const auto& [first, end] : layers_) {
    if (!items_.contains(first)) gradients.narrow(0, first, end - first).zero_();
  }
  if (!items_.empty()) {
    cpu::weightGradients(*context.pool, products(context), gradients.mutable_data_ptr<float>());
  }
}

bool DeferredGradients::areUsable(const Context& context) const {
  if (items_.size() != layers_.size()) return false;
  std::vector<at::Tensor> x, dy;
  int64_t rows = 0;
  for (const auto& [first, item] : items_) {
    x.insert(x.end(), item.x.begin(), item.x.end());
    dy.insert(dy.end(), item.dy.begin(), item.dy.end());
    rows = std::max(rows, rowsOf(item.x));
  }
  return cpu::isBounded(largestMagnitude(*context.pool, x), largestMagnitude(*context.pool, dy), rows);
}

const std::vector<cpu::WeightProduct>& DeferredGradients::products(const Context& context) {
  if (!products_.empty()) return products_;
  for (auto& [first, item] : items_) {
    cpu::WeightProduct product = item.place;
    item.x = {joined(*context.pool, item.x)};
    item.dy = {joined(*context.pool, item.dy)};
    product.rows = product.capacity = item.x[0].size(0);
    product.x = item.x[0].const_data_ptr<float>();
    product.dy = item.dy[0].const_data_ptr<float>();
    if (!context.panels()) {
      item.xT = item.x[0].t().contiguous();
      product.xT = item.xT.const_data_ptr<float>();
    }
    if (item.isData && product.panels && cpu::skipsZeros()) {
      cpu::Nonzeros& nonzeros = nonzeros_[first];
      const bool areFew = nonzeros.find(*context.pool, product.x, product.rows, product.in, true);
      product.nonzeros = areFew ? &nonzeros : nullptr;
    }
    products_.push_back(product);
  }
  return products_;
}

std::vector<FlatRange> DeferredGradients::others(int64_t size) const {
  std::vector<FlatRange> ranges;
  int64_t from = 0;
  const auto add = [&](int64_t end) {
    if (end > from) ranges.push_back({from, end - from});
  };
  for (const auto& [first, end] : layers_) {
    add(first);
    from = end;
  }
  add(size);
  return ranges;
}

}  // namespace torchvae
