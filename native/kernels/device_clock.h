// What a device knows of the step that it is at, so that captured graphs of steps take nothing from the host.
#pragma once

#include <cstddef>

#include "kernels/kernels.h"

namespace torchvae {

// Where a device with fused kernels reads which step it is at, and keeps its sums.
struct DeviceClock {
  at::Tensor bytes;     // one StepState
  at::Tensor schedule;  // double [rows, 4]
  at::Tensor terms;     // double [terms]: sums of the objective's further terms
  int64_t batchSize;
  OptimizerSettings settings;  // of the update that follows

  StepState* state() const { return static_cast<StepState*>(bytes.mutable_data_ptr()); }
  const ScheduleRow* rows() const { return static_cast<const ScheduleRow*>(schedule.const_data_ptr()); }
  // The batch's reconstruction, kl and loss, double [3].
  at::Tensor batchLosses() const {
    constexpr auto at = static_cast<int64_t>(offsetof(StepState, batchReconstruction));
    static_assert(offsetof(StepState, batchLoss) == at + 2 * sizeof(double));
    return bytes.narrow(0, at, 3 * static_cast<int64_t>(sizeof(double))).view(c10::kDouble);
  }
  // One of StepState's counters, int64 [1].
  at::Tensor counter(size_t offset) const {
    const auto at = static_cast<int64_t>(offset);
    return bytes.narrow(0, at, static_cast<int64_t>(sizeof(int64_t))).view(c10::kLong);
  }
};

}  // namespace torchvae
