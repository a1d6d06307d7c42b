// What the ranks that train one model say to each other: once an update the sum of their gradients, once a
// chunk their losses. A process that trains alone says nothing.
#pragma once

#include <string>
#include <vector>

#include "engine.h"
#include "pass/whole_batch.h"
#include "ranks/ranks.h"
#include "store/weights.h"

namespace torchvae {

class Team {
 public:
  Team(const TrainChunk& chunk, Store& store);

  bool isAlone() const { return ranks_.size() == 1; }
  // The part of `rows` rows that is this rank's; it may have none.
  Share shareOf(int64_t rows) const { return ranks_.shareOf(rows); }
  // The batch of `rows` rows of which that is a part.
  WholeBatch wholeOf(int64_t rows) const { return {ranks_, abort_, shareOf(rows), rows}; }

  // Whether the update goes on after a batch whose losses are finite or not. Ranks go on in any case and find
  // out together, by their gradients.
  bool goesOn(bool isFinite);
  // Makes the gradients of the mean over this rank's `rows` rows its summand to that over the `batchRows` of
  // all.
  void weigh(int64_t rows, int64_t batchRows);
  // The gradients of all ranks, from their summands; they are there when it returns.
  void sumGradients();
  // Where captured steps hold the sums: see TensorRanks. Such sums are there in the order of the stream.
  int64_t capturedWay() const { return isAlone() ? 0 : ranks_.capturedWay(); }
  void sumInStream(const at::Tensor& tensor) { ranks_.sum(tensor, abort_); }
  void expectCaptured() {
    if (!isAlone()) ranks_.expectCaptured();
  }
  // Waits for the device to have done what the ranks asked of it; before the host reads a result.
  void await() const { ranks_.await(abort_); }
  // Begins the next update.
  void begin() { isFinite_ = true; }

  // Faults that some rank has, in the order of computation.
  std::vector<std::string> unite(const std::vector<std::string>& faults) const;
  // What all ranks added to `before`, the time of rank 0, and whether one of them was aborted.
  void settle(const LossSums& before, int64_t terms, TrainResult& result) const;

 private:
  TensorRanks& ranks_;
  const std::atomic<bool>& abort_;
  Store& store_;
  bool isFinite_ = true;  // whether this rank's losses are, in the update under way
};

// Leaves in `sums`, which then has `terms` further terms, and in `beside` the sums over all ranks.
void sumLosses(TensorRanks& ranks, int64_t terms, LossSums& sums, std::vector<double>& beside,
               const std::atomic<bool>& abort);

}  // namespace torchvae
