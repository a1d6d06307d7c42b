// The whole batch, in a pass over one rank's part of it: for what looks at all rows of a batch at once.
#pragma once

#include "base/tensor.h"
#include "ranks/ranks.h"

namespace torchvae {

struct Pass;

// All ranks ask for the same, in the same order. Derivatives are those of the mean over the whole batch,
// where the gradients of a rank's mean over its rows count by its share of them (Team::weigh).
class WholeBatch {
 public:
  // This rank has `own` of `rows` rows. One that has none passes over a row that counts for nothing.
  WholeBatch(TensorRanks& ranks, const std::atomic<bool>& abort, const Share& own, int64_t rows)
      : ranks_(&ranks), abort_(&abort), own_(own), rows_(rows) {}

  bool hasRows() const { return own_.rows > 0; }
  // The share of the batch that is here.
  double share() const { return static_cast<double>(own_.rows) / static_cast<double>(rows_); }
  // The rows in all ranks of a tensor that has `here` in this one: perhaps several for each of the batch.
  int64_t all(int64_t here) const { return here / passed() * rows_; }

  // The sum over the ranks. Differentiable any number of times.
  Tensor sum(const Tensor& own) const;
  // The rows of all ranks, in the batch's order. Differentiable in those that are here.
  Tensor gather(const Tensor& own) const;

  // Leaves the sum over the ranks in `tensor`.
  void addUp(Tensor tensor) const { ranks_->sum(std::move(tensor), *abort_); }

 private:
  int64_t passed() const { return std::max<int64_t>(own_.rows, 1); }

  TensorRanks* ranks_;
  const std::atomic<bool>* abort_;
  Share own_;
  int64_t rows_;
};

// Of a pass over the whole batch or over a part of it: the batch's rows, and the mean over these.
Tensor rowsOfBatch(const Pass& pass, const Tensor& own);
Tensor meanOfBatch(const Pass& pass, const Tensor& own);

}  // namespace torchvae
