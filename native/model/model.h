// The engine's Model: the tensors of a VAE and of its optimizer, the step that trains it, and the answers to
// what it is asked.
#pragma once

#include <memory>
#include <string>

#include "base/translate.h"
#include "engine.h"
#include "objective/objective.h"
#include "store/weights.h"
#include "train/trainer.h"

namespace torchvae {

class VaeModel : public Model {
 public:
  // `reference` keeps to libtorch's derivatives where there are fused kernels. Throws ERR_SPEC for parts that
  // do not go together, and for precision bf16 without fused kernels.
  VaeModel(const Context& context, const ModelSpec& spec, uint64_t seed, bool reference);

  int64_t step() const override { return step_; }
  void setStep(int64_t step) override { step_ = step; }
  KernelChoice kernels() const override { return {unfused_.empty(), unfused_}; }
  std::vector<std::string> termNames() const override { return objective_->termNames(); }
  std::vector<StateTensor> stateTensors() const override;
  StateValues readState(const std::string& name) const override;
  void writeState(const std::string& name, const StateValues& values) override;

  TrainResult train(const TrainChunk& chunk) override;
  // The same of several models of one device, chunks[i] of models[i].
  static std::vector<TrainOutcome> trainTogether(const std::vector<VaeModel*>& models,
                                                 const std::vector<TrainChunk>& chunks);
  LossSums evaluate(Dataset& data, int64_t batchSize, uint64_t noiseSeed, const StepSchedule& schedule,
                    const std::atomic<bool>& abort, Ranks* ranks) override;
  std::string synchronize(Ranks& ranks, const std::atomic<bool>& abort) override;

  int64_t codeSize() const override { return vae_->posterior().codeSize(); }
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

 private:
  // Calls `work` as its caller may see it fail, and with this model's settings of libtorch, which keeps them
  // for the whole process: each piece of work sets them.
  template <class Work>
  auto computed(const Work& work) const {
    return translated([&] {
      applySettings();
      return work();
    });
  }
  void applySettings() const;
  StateSlot state(const std::string& name) const;

  Context context_;
  ModelSpec spec_;
  uint64_t seed_;
  int64_t step_ = 0;
  std::string unfused_;  // why the step is not fused; empty where it is
  Store store_;
  std::unique_ptr<Vae> vae_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Step> trainingStep_;
  std::unique_ptr<Step> partStep_;  // of several ranks, where it is not the same
  std::unique_ptr<Trainer> trainer_;
};

// The tensors that a model of this `spec` has, moments left out.
std::vector<StateTensor> planModel(const ModelSpec& spec);

}  // namespace torchvae
