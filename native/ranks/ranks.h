// What training asks of the processes that train one model together.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>

#include "engine.h"

namespace torchvae {

// Consecutive rows of a batch.
struct Share {
  int64_t first = 0;
  int64_t rows = 0;
};

class TensorRanks : public Ranks {
 public:
  // Leaves the sum over the ranks in every rank's `tensor`, to the same bits; it is contiguous. What lies on
  // a device goes by way of the host.
  virtual void sum(at::Tensor tensor, const std::atomic<bool>& abort) = 0;
  // Leaves rank 0's values in every rank's `tensor`.
  virtual void broadcast(at::Tensor tensor, const std::atomic<bool>& abort) = 0;

  // The part of `count` rows that is this rank's: the parts lie one after the other, and differ by one row at
  // most.
  Share shareOf(int64_t count) const {
    const int64_t first = count * rank() / size();
    return {first, count * (rank() + 1) / size() - first};
  }
  // Rows of the largest such part.
  int64_t mostOf(int64_t count) const { return (count + size() - 1) / size(); }
};

// A process that trains alone.
class OneRank : public TensorRanks {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::vector<std::string> exchange(const std::string& text, const std::atomic<bool>& /*abort*/) override {
    return {text};
  }
  void sum(at::Tensor /*tensor*/, const std::atomic<bool>& /*abort*/) override {}
  void broadcast(at::Tensor /*tensor*/, const std::atomic<bool>& /*abort*/) override {}
};

}  // namespace torchvae
