// The engine's Model: the tensors of a composition and of its optimizer, and what can be done with them. All
// of it is here on libtorch's own operations and derivatives; fused/fused_model.h replaces what is done most.
#pragma once

#include <functional>
#include <memory>

#include "composition.h"
#include "data/resident.h"
#include "engine.h"
#include "objective/objective.h"
#include "train/graph.h"
#include "translate.h"
#include "weights.h"

namespace torchvae {

class VaeModel : public Model {
 public:
  // `declareFirst` may give the model's tensors a place and a layout of its own.
  VaeModel(const Context& context, const ModelSpec& spec, uint64_t seed,
           const std::function<void(Parameters&)>& declareFirst = {});

  int64_t step() const override { return step_; }
  void setStep(int64_t step) override { step_ = step; }
  std::vector<std::string> termNames() const override { return objective_->termNames(); }
  std::vector<StateTensor> stateTensors() const override;
  std::vector<float> readState(const std::string& name) const override;
  void writeState(const std::string& name, const float* values, int64_t count) override;
  TrainResult train(const TrainChunk& chunk) override;
  LossSums evaluate(Dataset& data, int64_t batchSize, uint64_t noiseSeed,
                    const std::atomic<bool>& abort) override;
  int64_t codeSize() const override { return composition_->posterior().codeSize(); }
  void encode(const HostArray& x, float* mean, float* logVariance) override;
  void decode(const float* z, const int32_t* labels, int64_t rows, DecodeKind kind, uint64_t seed,
              float* x) override;
  void samplePrior(const int32_t* labels, int64_t rows, uint64_t seed, float* z) override;
  void importance(const HostArray& x, int64_t samples, uint64_t seed, const std::atomic<bool>& abort,
                  float* negativeLogLikelihood) override;
  std::vector<float> divergences(const HostArray& x, uint64_t seed, int64_t& groups) override;
  LatentStatistics latentStatistics(const HostArray& x, uint64_t seed) override;
  void losses(const HostArray& x, const NoiseSource& noise, float* reconstruction, float* kl) override;
  Gradients gradients(const HostArray& x, const NoiseSource& noise, const StepSchedule& schedule) override;

 protected:
  // Calls `work` as its caller may see it fail, and with this model's precision: libtorch keeps that for the
  // whole process, so each piece of work sets it.
  template <class Work>
  auto computed(const Work& work) const {
    return translated([&] {
      choosePrecision();
      return work();
    });
  }
  const at::Tensor& orderOf(const TrainChunk& chunk);
  // Trains by the device's executor, with a step from `make` where the last one's does not fit.
  TrainResult replay(const TrainChunk& chunk, const std::function<std::unique_ptr<DeviceStep>()>& make);

  Context context_;
  ModelSpec spec_;
  uint64_t seed_;
  int64_t step_ = 0;
  Store store_;
  std::unique_ptr<GraphExecutor> executor_;  // on a device with fused kernels

 private:
  class CapturedStep;
  void choosePrecision() const;
  Pass pass(Draws& draws, const StepSchedule& schedule, bool training) const;
  // Rows [first, first + rows) of host values on the device, and their labels where the model is conditioned.
  Tensor load(const HostArray& x, int64_t first, int64_t rows, Pass& pass) const;
  Tensor loadLabels(const int32_t* labels, int64_t rows) const;
  void prepare(Draws& draws, const NoiseSource& noise, int64_t first, int64_t rows) const;
  // Forward and backward: leaves the gradients in the store.
  Terms differentiate(const Tensor& x, int64_t examples, Pass& pass);
  // The same for a batch of a data set, whose own draws begin at `noise`.
  Terms differentiate(const StepInput& input, int64_t noise, Pass& pass);
  at::Tensor state(const std::string& name) const;

  std::unique_ptr<Composition> composition_;
  std::unique_ptr<Objective> objective_;

  struct Order {
    uint64_t seed = 0;
    int64_t epoch = -1;
    bool shuffle = false;
    at::Tensor indices;
  } order_;
};

// The tensors that a model of this `spec` has, moments left out.
std::vector<StateTensor> planModel(const ModelSpec& spec);

}  // namespace torchvae
