// A VaeModel whose parts have fused kernels and hand-written derivatives, which do its training and all that
// takes a pass over many examples.
#pragma once

#include <memory>

#include "fused/vae.h"
#include "model.h"
#include "train/graph.h"

namespace torchvae::fused {

// Whether there are fused kernels for all parts of this model where the context computes.
bool isFusable(const Context& context, const ModelSpec& spec);

class FusedModel : public VaeModel {
 public:
  FusedModel(const Context& context, const ModelSpec& spec, uint64_t seed);

  TrainResult train(const TrainChunk& chunk) override;
  LossSums evaluate(Dataset& data, int64_t batchSize, uint64_t noiseSeed,
                    const std::atomic<bool>& abort) override;
  void encode(const HostArray& x, float* mean, float* logVariance) override;
  void losses(const HostArray& x, const NoiseSource& noise, float* reconstruction, float* kl) override;
  Gradients gradients(const HostArray& x, const NoiseSource& noise, const StepSchedule& schedule) override;

 private:
  Vae& trainingPass(int64_t capacity);
  Vae& evaluationPass(int64_t capacity);
  // Puts rows [first, first + rows) of `x` and their noise into a pass.
  void load(Vae& vae, const HostArray& x, const NoiseSource& noise, int64_t first, int64_t rows) const;

  VaePlan plan_;
  std::unique_ptr<Vae> training_;
  std::unique_ptr<GraphExecutor> executor_;  // of `training_`, on a device with fused kernels
  std::unique_ptr<Vae> evaluation_;
};

}  // namespace torchvae::fused
