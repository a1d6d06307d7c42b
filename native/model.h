// The engine's Model: a Vae's parameters, its optimiser's state, and the buffers to train and to evaluate it.
#pragma once

#include <memory>

#include "data/resident.h"
#include "engine.h"
#include "fused/vae.h"
#include "parameters.h"
#include "train/graph.h"

namespace torchvae {

class VaeModel : public Model {
 public:
  VaeModel(const Context& context, const ModelSpec& spec, uint64_t seed);

  int64_t step() const override { return step_; }
  void setStep(int64_t step) override { step_ = step; }
  std::vector<StateTensor> stateTensors() const override { return parameters_.stateTensors(); }
  std::vector<float> readState(const std::string& name) const override;
  void writeState(const std::string& name, const float* values, int64_t count) override;
  TrainResult train(const TrainChunk& chunk) override;
  LossSums evaluate(Dataset& data, int64_t batchSize, uint64_t noiseSeed,
                    const std::atomic<bool>& abort) override;
  void encode(const HostArray& x, float* mean, float* logVariance) override;
  void decode(const float* z, int64_t rows, float* mean) override;
  void samplePrior(int64_t rows, uint64_t seed, float* z) override;
  void losses(const HostArray& x, const NoiseSource& noise, float* reconstruction, float* kl) override;
  LossSums gradients(const HostArray& x, const NoiseSource& noise, double beta,
                     std::vector<std::vector<float>>& gradients) override;

 private:
  Vae& trainingPass(int64_t capacity);
  Vae& evaluationPass(int64_t capacity);
  const at::Tensor& orderOf(const TrainChunk& chunk);
  // Puts rows [first, first + rows) of `x` and their noise into a pass.
  void load(Vae& vae, const HostArray& x, const NoiseSource& noise, int64_t first, int64_t rows) const;

  Context context_;
  ModelSpec spec_;
  uint64_t seed_;
  int64_t step_ = 0;
  Parameters parameters_;
  VaePlan plan_;
  std::unique_ptr<Vae> training_;
  std::unique_ptr<GraphExecutor> executor_;  // on a device with fused kernels
  std::unique_ptr<Vae> evaluation_;

  struct Order {
    uint64_t seed = 0;
    int64_t epoch = -1;
    bool shuffle = false;
    at::Tensor indices;
  } order_;
};

}  // namespace torchvae
