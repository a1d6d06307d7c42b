// One training step of a model: a batch forward and back, and the update that follows. It is taken in one of
// two ways: by libtorch's derivatives (reference_step.h), for every model, or by fused kernels with
// derivatives written out (fused_step.h). train/trainer.h says in which order a step's parts are called.
#pragma once

#include <optional>
#include <utility>

#include "cpu/optimizer.h"
#include "data/resident.h"
#include "kernels/device_clock.h"
#include "pass/host_batch.h"
#include "pass/whole_batch.h"

namespace torchvae {

namespace fused {
class BlockPerceptron;  // fused/block.h
}

// A batch of a data set.
struct StepInput {
  const ResidentDataset& data;
  const at::Tensor& order;  // int64 on the device: a permutation of the examples
  int64_t first;  // the batch is order[first], ..., order[first + rows - 1]; with a clock, counted from where
                  // the batch of all ranks begins
  int64_t rows;
  StepSchedule schedule;
  uint64_t seed;      // of the noise
  int64_t noise = 0;  // the place of the batch's noise in the sequence of the seed
  int64_t place = 0;  // of the first row in the batch of all ranks, of which this is a part; on the host
  // Says which batch, noise and row of the schedule; null on the host.
  const DeviceClock* clock = nullptr;
  // With a clock: whether the step before has been asked to load this batch, and this one is to load the
  // next, of as many rows. A step may leave that to the next one, which it then finds not loaded.
  bool isLoaded = false, loadsNext = false;
  // All of the batch of which this is a part, where rows of it depend on each other.
  std::optional<WholeBatch> whole = {};
};

class Step {
 public:
  virtual ~Step() = default;

  // Makes room for training batches of up to `rows` examples. Returns false where buffers moved, so that
  // graphs captured before must not be replayed.
  virtual bool reserve(int64_t /*rows*/) { return true; }

  // What takes whole chunks of the batches that room was made for, in place of the calls below; null where
  // nothing does.
  virtual fused::BlockPerceptron* block() { return nullptr; }

  // Whether captured steps of other models may run on the device at the same time: the step uses only our
  // kernels, and buffers that no other model has. cuBLAS and cuDNN rule that out: libtorch gives them one
  // workspace per stream, which all graphs captured there share.
  virtual bool mayOverlap() const { return false; }

  // Forward and backward over a batch. With a clock it takes nothing from the host and waits for nothing.
  virtual void differentiate(const StepInput& input) = 0;
  virtual void differentiate(const HostInput& input, const StepSchedule& schedule) = 0;
  // Forward alone, with what training minimizes.
  virtual void evaluate(const StepInput& input) = 0;

  // Of the batch that was differentiated or evaluated last:

  // Adds its losses to `sums`, and returns whether they are finite. Waits for the device.
  virtual bool addLosses(LossSums& sums) = 0;
  // Leaves the weights' gradients in the store.
  virtual void makeGradients() = 0;
  // Gradients and an elementwise update in one pass. Returns false, with the weights as they were, where the
  // step has no such pass, or where the gradients are not sure to be finite.
  virtual bool updateAtOnce(const cpu::OptimizerCoefficients& /*coefficients*/) { return false; }
  // On a device with fused kernels: the gradients, and whether all is finite, judged on the device; then the
  // update from them and the end of the step. Neither waits.
  // `isSummand`: the gradients are left in the store whatever the settings, for a sum over ranks.
  virtual void judge(const DeviceClock& clock, bool isSummand) = 0;
  virtual void update(const DeviceClock& clock) = 0;

  // For questions about rows of the host:

  // The mean and the log-variance of q(z|x), each [rows, codeSize].
  virtual std::pair<at::Tensor, at::Tensor> encode(const HostInput& input) = 0;
  // -log p(x|z) and KL(q || p) with one z an example, each [rows].
  virtual std::pair<at::Tensor, at::Tensor> losses(const HostInput& input) = 0;
};

}  // namespace torchvae
