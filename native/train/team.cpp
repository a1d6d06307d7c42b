#include "train/team.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>

#include "base/host.h"

namespace torchvae {
namespace {

TensorRanks& ranksOf(const TrainChunk& chunk) {
  static OneRank alone;
  return chunk.ranks == nullptr ? alone : static_cast<TensorRanks&>(*chunk.ranks);
}

const std::atomic<bool>& abortOf(const TrainChunk& chunk) {
  static const std::atomic<bool> never{false};
  return chunk.abort == nullptr ? never : *chunk.abort;
}

}  // namespace

Team::Team(const TrainChunk& chunk, Store& store)
    : ranks_(ranksOf(chunk)), abort_(abortOf(chunk)), store_(store) {}

bool Team::goesOn(bool isFinite) {
  if (isAlone()) return isFinite;
  isFinite_ = isFinite_ && isFinite;
  return true;
}

void Team::weigh(int64_t rows, int64_t batchRows) {
  if (isAlone()) return;
  if (!isFinite_) {
    // One is enough for all ranks to refuse the update; it is a weight's, which the next batch writes anew.
    store_.model.gradients.narrow(0, 0, 1).fill_(std::numeric_limits<double>::quiet_NaN());
    return;
  }
  for (Parameters* parameters : {&store_.model, &store_.adversary}) {
    if (parameters->size() == 0) continue;
    if (rows == 0) {
      parameters->gradients.zero_();
    } else {
      parameters->gradients.mul_(static_cast<double>(rows) / static_cast<double>(batchRows));
    }
  }
}

void Team::sumGradients() {
  if (isAlone()) return;
  for (Parameters* parameters : {&store_.model, &store_.adversary}) {
    if (parameters->size() > 0) ranks_.sum(parameters->gradients, abort_);
  }
  await();
}

std::vector<std::string> Team::unite(const std::vector<std::string>& faults) const {
  std::vector<std::string> names{"reconstruction", "kl"};
  const std::vector<ParameterEntry>& entries = store_.model.entries();
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) names.push_back(entry->name);
  const at::Tensor counts = at::zeros({static_cast<int64_t>(names.size())}, kHostDouble);
  double* count = counts.data_ptr<double>();
  for (size_t i = 0; i < names.size(); ++i) {
    if (std::find(faults.begin(), faults.end(), names[i]) != faults.end()) count[i] = 1;
  }
  ranks_.sum(counts, abort_);
  std::vector<std::string> united;
  for (size_t i = 0; i < names.size(); ++i) {
    if (count[i] > 0) united.push_back(names[i]);
  }
  return united;
}

void Team::settle(const LossSums& before, int64_t terms, TrainResult& result) const {
  if (isAlone()) return;
  LossSums added = result.sums;
  added.loss -= before.loss;
  added.reconstruction -= before.reconstruction;
  added.kl -= before.kl;
  added.examples -= before.examples;
  for (size_t i = 0; i < std::min(added.terms.size(), before.terms.size()); ++i)
    added.terms[i] -= before.terms[i];
  std::vector<double> beside{ranks_.rank() == 0 ? result.seconds : 0, abort_.load() ? 1.0 : 0.0};
  sumLosses(ranks_, terms, added, beside, abort_);
  result.sums = before;
  result.sums.terms.resize(added.terms.size());
  result.sums.loss += added.loss;
  result.sums.reconstruction += added.reconstruction;
  result.sums.kl += added.kl;
  result.sums.examples += added.examples;
  for (size_t i = 0; i < added.terms.size(); ++i) result.sums.terms[i] += added.terms[i];
  result.seconds = beside[0];
  if (beside[1] > 0 && result.reason == StopReason::kDone) result.reason = StopReason::kAborted;
}

void sumLosses(TensorRanks& ranks, int64_t terms, LossSums& sums, std::vector<double>& beside,
               const std::atomic<bool>& abort) {
  sums.terms.resize(static_cast<size_t>(terms));
  std::vector<double> all{sums.loss, sums.reconstruction, sums.kl, static_cast<double>(sums.examples)};
  all.insert(all.end(), sums.terms.begin(), sums.terms.end());
  all.insert(all.end(), beside.begin(), beside.end());
  ranks.sum(at::from_blob(all.data(), {static_cast<int64_t>(all.size())}, kHostDouble), abort);
  const double* next = all.data();
  for (double* value : {&sums.loss, &sums.reconstruction, &sums.kl}) *value = *next++;
  sums.examples = static_cast<int64_t>(*next++);
  for (double& term : sums.terms) term = *next++;
  for (double& value : beside) value = *next++;
}

}  // namespace torchvae
