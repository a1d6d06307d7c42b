// What a training step starts from.
#pragma once

#include <cstddef>
#include <optional>

#include "data/resident.h"
#include "engine.h"
#include "ops/kernels.h"

namespace torchvae {

// Where a device with fused kernels reads which step it is at, and keeps its sums.
struct DeviceClock {
  at::Tensor bytes;     // one StepState
  at::Tensor schedule;  // double [rows, 4]
  at::Tensor terms;     // double [terms]: sums of the objective's further terms
  int64_t batchSize;

  StepState* state() const { return static_cast<StepState*>(bytes.mutable_data_ptr()); }
  const ScheduleRow* rows() const { return static_cast<const ScheduleRow*>(schedule.const_data_ptr()); }
  // One of StepState's counters, int64 [1].
  at::Tensor counter(size_t offset) const {
    const auto at = static_cast<int64_t>(offset);
    return bytes.narrow(0, at, static_cast<int64_t>(sizeof(int64_t))).view(c10::kLong);
  }
};

struct StepInput {
  const ResidentDataset& data;
  const at::Tensor& order;  // int64 on the device: a permutation of the examples
  int64_t first;            // the batch is order[first], ..., order[first + rows - 1]
  int64_t rows;
  StepSchedule schedule;
  std::optional<DeviceClock> clock;  // in place of `first`, `schedule`, and the step's number
};

}  // namespace torchvae
