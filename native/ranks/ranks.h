// What training asks of the processes that train one model together.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>

#include "cuda_part.h"
#include "engine.h"

namespace torchvae {

// Consecutive rows of a batch.
struct Share {
  int64_t first = 0;
  int64_t rows = 0;
};

class TensorRanks : public Ranks {
 public:
  // Finds the way by which what lies on the ranks' devices goes from one to the other, and says it in words.
  // This rank computes on `device`, the calling thread's, which `part` serves; null for the CPU.
  virtual std::string meetOn(const c10::Device& device, CudaPart* part, const std::atomic<bool>& abort) = 0;
  // Leaves the sum over the ranks in every rank's `tensor`, to the same bits; it is contiguous. On a GPU it
  // is there in the order of the stream.
  virtual void sum(at::Tensor tensor, const std::atomic<bool>& abort) = 0;
  // Leaves rank 0's values in every rank's `tensor`.
  virtual void broadcast(at::Tensor tensor, const std::atomic<bool>& abort) = 0;
  // Waits for the device to have done what the above asked of it. Called before the host waits for the device
  // in another way, which would wait forever for a rank that is lost.
  virtual void await(const std::atomic<bool>& abort) = 0;

  // The number of the way by which sums go that a captured graph may hold, another one whenever the ranks
  // have met anew; 0 where there is none. All ranks capture and replay the same.
  virtual int64_t capturedWay() const { return 0; }
  // Such a graph has been sent off again: as sum() does.
  virtual void expectCaptured() {}

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
  std::string meetOn(const c10::Device& /*device*/, CudaPart* /*part*/,
                     const std::atomic<bool>& /*abort*/) override {
    return "";
  }
  void sum(at::Tensor /*tensor*/, const std::atomic<bool>& /*abort*/) override {}
  void broadcast(at::Tensor /*tensor*/, const std::atomic<bool>& /*abort*/) override {}
  void await(const std::atomic<bool>& /*abort*/) override {}
};

}  // namespace torchvae
